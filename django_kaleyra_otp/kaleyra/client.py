"""A small client for kaleyra.io: send one SMS, ask what became of it, look at callback profiles.

It never tries again and never sleeps: its exceptions say what is proven, and the caller decides.
"""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import quote, urlencode

import requests

from django_kaleyra_otp.kaleyra import answers, callbacks, transport
from django_kaleyra_otp.kaleyra.answers import (
    AnswerLost,
    CallbackProfile,
    Hidden,
    KaleyraError,
    NotConnected,
    PulledStatus,
    RateLimited,
    Refused,
    Sent,
)
from django_kaleyra_otp.kaleyra.errors import ErrorClass

__all__ = [
    "AnswerLost",
    "CallbackProfile",
    "Hidden",
    "KaleyraClient",
    "KaleyraError",
    "NotConnected",
    "PulledStatus",
    "RateLimited",
    "Refused",
    "Sent",
]

logger = logging.getLogger(__name__)

MOST_IDS = 100

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call:
    """One request; ``fields`` is its JSON body, ``secrets`` what is never said though an answer echo it."""

    method: str
    path: str
    fields: Mapping[str, object] | None = field(default=None, repr=False)
    secrets: tuple[Hidden, ...] = field(default=(), repr=False)


class KaleyraClient:
    """One account of kaleyra.io.

    ``base_url`` is https://<host> without a path, checked by the caller. ``timeout`` is seconds to
    connect (for each address the host name has, and again for TLS) and seconds for the whole
    answer. ``date`` is when the last answer was made, as its header says. Instances are cheap: the
    connections belong to the process.
    """

    def __init__(
        self, sid: str, api_key: Hidden, base_url: str, timeout: tuple[float, float] = (3.05, 10.0)
    ) -> None:
        self.sid = sid
        self.api_key = api_key
        self.timeout = timeout
        self.date = ""
        self.root = f"{base_url.rstrip('/')}/v1/{quote(sid, safe='')}"

    def __repr__(self) -> str:
        return f"KaleyraClient({self.root!r})"

    def send_sms(
        self,
        *,
        to: str,
        body: Hidden,
        sender: str,
        type: str = "OTP",  # noqa: A002 - Kaleyra's own name for the route
        template_id: str = "",
        callback_profile_id: str = "",
        reference: str = "",
    ) -> Sent:
        """Hand one SMS to Kaleyra and return the id that its callbacks will name.

        Takes ``to`` as E.164 with its ``+``; ``type``, Kaleyra's word for the route; ``reference``,
        our own name for the SMS. Empty strings are left out of the request. Raises Refused,
        RateLimited, NotConnected (nothing was sent) or AnswerLost (it may have been). Accepted is
        not delivered: a wrong number or template may be told later, as a status.

        Source: developers.kaleyra.io/docs/sms-api-send-otp-sms.
        """
        fields: dict[str, object] = {"to": to, "sender": sender, "type": type, "body": body}
        given = {
            "template_id": template_id,
            "callback_profile_id": callback_profile_id,
            "ref_custom": [reference] if reference else "",
        }
        call = Call("POST", "/sms", fields | {name: value for name, value in given.items() if value}, (body,))
        del to, fields, given  # a debug page shows the locals of every frame
        return self._ask(call, answers.read_sent)

    def statuses(self, message_ids: Sequence[str]) -> list[PulledStatus]:
        """Return what Kaleyra knows of up to 100 messages; one that it does not know is left out.

        Raises ValueError for more ids, and the exceptions of ``send_sms``, at no risk: it only asks.

        Source: developers.kaleyra.io/docs/sms-api-status.
        """
        if len(message_ids) > MOST_IDS:
            raise ValueError(f"At most {MOST_IDS} ids at once.")
        if not message_ids:
            return []
        wanted = quote(",".join(message_ids), safe=":,")
        return self._ask(Call("GET", f"/sms/status?message_ids={wanted}"), answers.read_statuses)

    def identifiers(self) -> list[str]:
        """Return the account's senders: a harmless check of SID and key (Refused, 401, if wrong)."""
        return self._ask(Call("GET", "/messages/identifier"), answers.read_identifiers)

    def callback_profile(self, profile_id: str) -> CallbackProfile:
        """Return one callback profile; Refused with RBC302 where the account has no such one.

        Source: developers.kaleyra.io/docs/platform-apis-get-callback-profile-by-id.
        """
        return self._ask(
            Call("GET", f"/callback/profiles/{quote(profile_id, safe='')}"), answers.read_profile
        )

    def callback_profiles(
        self, *, title: str = "", limit: int = 25, offset: int = 0
    ) -> list[CallbackProfile]:
        """Return the account's callback profiles, ``limit`` at most, those with ``title`` if one is given.

        Source: developers.kaleyra.io/docs/platform-apis-get-callback-profiles-detail.
        """
        query = {"limit": limit, "offset": offset} | ({"title": title} if title else {})
        return self._ask(
            Call("GET", f"/callback/profiles?{urlencode(query, quote_via=quote)}"), answers.read_profiles
        )

    def create_callback_profile(
        self, *, title: str, url: str, headers: Mapping[str, Hidden], channel: str = ""
    ) -> CallbackProfile:
        """Make a callback profile that posts the template of ``callbacks.profile_template`` to ``url``.

        Takes ``title``, three or more letters, digits, spaces, hyphens or underscores; ``headers``,
        sent along with each callback (that is where its secret belongs); ``channel``, Kaleyra's
        word for it, left out if empty. AnswerLost means that it may exist: look before you repeat.

        Source: developers.kaleyra.io/docs/platform-apis-create-callback-profiles.
        """
        fields: dict[str, object] = {
            "title": title,
            "http_method": "POST",
            "url": url,
            "headers": dict(headers),
            "body": callbacks.profile_template(),
        }
        if channel:
            fields["channel"] = channel
        return self._ask(
            Call("POST", "/callback/profiles", fields, tuple(headers.values())), answers.read_profile
        )

    def _ask(self, call: Call, read: Callable[[answers.Answer], T]) -> T:
        """Make one call and read its answer; whatever goes wrong leaves here as a KaleyraError.

        It leaves without its causes and their frames: those hold the key and the text bare.
        """
        failure: BaseException
        try:
            return read(self._exchange(call))
        except KaleyraError as error:
            failure = error
        except Exception as error:
            failure = AnswerLost(message=f"The exchange broke: {type(error).__name__}.")
            logger.error("A call to Kaleyra broke: %s.", type(error).__name__)
        except BaseException as error:  # a worker's own end, or Ctrl-C
            failure = error
        failure.__cause__ = failure.__context__ = None
        try:
            raise failure.with_traceback(None)
        finally:
            del failure  # else the two keep each other, and the call with its secrets, alive

    def _exchange(self, call: Call) -> answers.Answer:
        try:
            request = self._prepare(call)
        except Exception as error:
            told = f"The request could not be written: {type(error).__name__}."
            raise Refused("", told, None, ErrorClass.CONFIGURATION) from error
        try:
            response = transport.adapter().send(request, stream=True, timeout=self.timeout, verify=True)
        except requests.RequestException as error:
            name = transport.cause_name(error)
            if transport.never_left(error):
                raise NotConnected(f"No connection was made: {name}.") from error
            raise AnswerLost(message=f"No answer came: {name}.") from error
        self.date = response.headers.get("Date", "")
        with contextlib.closing(response):
            return answers.receive(response, (self.api_key, *call.secrets))

    def _prepare(self, call: Call) -> requests.PreparedRequest:
        headers = {
            "Accept": "application/json",
            "Accept-Encoding": "identity",  # so that 64 KiB stay 64 KiB
            "User-Agent": "django-kaleyra-otp",
            "api-key": self.api_key.reveal().encode("ascii").decode(),
        }
        if call.fields is None:
            return requests.Request(call.method, self.root + call.path, headers=headers).prepare()
        headers["Content-Type"] = "application/json"
        data = json.dumps(call.fields, default=lambda hidden: hidden.reveal()).encode()
        return requests.Request(call.method, self.root + call.path, headers=headers, data=data).prepare()
