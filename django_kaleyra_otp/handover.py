"""One SMS through its routes: tried again only where it surely was not accepted."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace

from django.utils.module_loading import import_string

from django_kaleyra_otp import breaker, events
from django_kaleyra_otp.backends.base import BaseBackend
from django_kaleyra_otp.conf import conf
from django_kaleyra_otp.exceptions import DeliveryFailed, DeliveryUnavailable, DeliveryUnknown
from django_kaleyra_otp.models import DeliveryStatus
from django_kaleyra_otp.types import SMS, Receipt, Route

logger = logging.getLogger(__name__)

#: Seconds that one send may take, over all its tries and routes.
PATIENCE = 15.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How handing over ended: by which route, as what, and what was answered."""

    route: Route
    status: DeliveryStatus
    receipt: Receipt = field(default_factory=Receipt)
    error: DeliveryFailed | DeliveryUnknown | None = None


def hand_over(sms: SMS, routes: Sequence[Route], *, in_request: bool) -> Outcome:
    """Try each route in turn, the next only where the SMS surely was not accepted.

    ``in_request``: somebody's request waits for it, and few may at once.
    """
    deadline = time.monotonic() + PATIENCE
    try:
        backend: BaseBackend = import_string(conf.BACKEND)()
    except Exception as error:
        logger.error("KALEYRA_OTP['BACKEND'] cannot be made: %s.", type(error).__name__)
        broken = DeliveryUnavailable(error_code="backend", error_class="configuration")
        return Outcome(routes[0], DeliveryStatus.FAILED, error=broken)
    outcome = Outcome(routes[0], DeliveryStatus.FAILED, error=DeliveryUnavailable())
    for route in routes:
        with breaker.slot(route) if in_request else nullcontext(True) as free:
            if free:
                outcome = _try_route(backend, sms, route, deadline)
            else:
                outcome = Outcome(route, DeliveryStatus.FAILED, error=_resting())
        if outcome.status != DeliveryStatus.FAILED:
            break
    return outcome


def _try_route(backend: BaseBackend, sms: SMS, route: Route, deadline: float) -> Outcome:
    """Try one route, and again where it was not reached or asked to wait a moment."""
    failure: DeliveryFailed = DeliveryUnavailable(error_code="time_out", error_class="vendor")
    for tried in range(conf.RETRIES + 1):
        left = deadline - time.monotonic()
        if left <= 0:
            break
        if not breaker.take(route):
            failure = _resting()
            break
        connect = min(route.timeout[0], left / 2)  # the answer is waited for after it
        hurried = replace(route, timeout=(connect, min(route.timeout[1], left - connect)))
        try:
            receipt = backend.send(sms, hurried)
        except DeliveryUnavailable as refusal:
            failure = refusal
            _note_health(route, reached=refusal.http_status is not None)
        except DeliveryFailed as refusal:
            _note_health(route, reached=True)
            _note_fault(route, refusal)
            return Outcome(route, DeliveryStatus.FAILED, error=refusal)
        except DeliveryUnknown as loss:
            _note_health(route, reached=False)
            return Outcome(route, DeliveryStatus.UNKNOWN, error=loss)
        except Exception as error:
            # the class alone: the text may hold the code
            logger.error("%s raised %s.", type(backend).__name__, type(error).__name__)
            broken = DeliveryUnknown(error_code=type(error).__name__[:32], error_class="configuration")
            return Outcome(route, DeliveryStatus.UNKNOWN, error=broken)
        else:
            _note_health(route, reached=True)
            breaker.accepted(route)
            return Outcome(route, DeliveryStatus.SUBMITTED, receipt=receipt)
        wait = failure.retry_after if failure.retry_after is not None else 0.1 * 2**tried
        if tried == conf.RETRIES or wait >= deadline - time.monotonic():
            break
        time.sleep(wait)
    return Outcome(route, DeliveryStatus.FAILED, error=failure)


def _resting() -> DeliveryUnavailable:
    return DeliveryUnavailable(error_code="breaker", error_class="network")


def _note_health(route: Route, *, reached: bool) -> None:
    """Tell the breaker whether a call was answered, and the log where a rest begins or ends."""
    if reached:
        if silent := breaker.answered(route):
            events.ACCOUNT_ANSWERS.log(route=silent)
    elif breaker.failed(route):
        events.ACCOUNT_SILENT.log(route=route.name)


def _note_fault(route: Route, refusal: DeliveryFailed) -> None:
    """Raise an alarm, once and no storm, where a refusal is the fault of the account or its settings."""
    account = refusal.http_status in (401, 402, 403) or refusal.error_class == "balance"
    if not account and refusal.error_class != "configuration":
        return
    if breaker.is_new_fault(route, "" if account else refusal.error_code):
        error_code = refusal.error_code or str(refusal.http_status or "?")
        events.ACCOUNT_REFUSED.log(route=route.name, error_code=error_code)
