"""The backend that sends through kaleyra.io."""

from __future__ import annotations

from collections.abc import Sequence

from django_kaleyra_otp.backends.base import BaseBackend
from django_kaleyra_otp.exceptions import DeliveryFailed, DeliveryUnavailable, DeliveryUnknown
from django_kaleyra_otp.kaleyra import client
from django_kaleyra_otp.types import SMS, Pulled, Receipt, Route


class KaleyraBackend(BaseBackend):
    """Sends by ``POST /v1/<SID>/sms``, type OTP."""

    def send(self, sms: SMS, route: Route) -> Receipt:
        """Hand one SMS to Kaleyra and return the id its callbacks will name.

        Raises DeliveryFailed when Kaleyra said no, DeliveryUnavailable when it was not reached or is
        over its rate: nothing was sent. Raises DeliveryUnknown when the answer was lost: the SMS may
        be on its way, so nobody may send it again.
        """
        kaleyra = client.KaleyraClient(route.sid, route.api_key, route.base_url, route.timeout)
        try:
            sent = kaleyra.send_sms(
                to=sms.to,
                body=sms.body,
                sender=route.sender,
                type="OTP",
                template_id=sms.template_id,
                callback_profile_id=route.callback_profile_id,
                reference=sms.reference,
            )
        except client.NotConnected as failure:
            raise DeliveryUnavailable(error_message=str(failure), error_class="network") from failure
        except client.Refused as refusal:
            kind = DeliveryUnavailable if isinstance(refusal, client.RateLimited) else DeliveryFailed
            raise kind(
                error_code=refusal.code,
                error_message=refusal.message,
                error_class=refusal.error_class,
                http_status=refusal.http_status,
                retry_after=refusal.retry_after,
            ) from refusal
        except client.AnswerLost as loss:
            raise DeliveryUnknown(
                error_code=loss.code,
                error_message=loss.message,
                error_class=loss.error_class,
                http_status=loss.http_status,
                message_id=loss.message_id,
            ) from loss
        return Receipt(message_id=sent.message_id, http_status=sent.http_status)

    def pull(self, message_ids: Sequence[str], route: Route) -> Sequence[Pulled]:
        """Ask by ``GET /v1/<SID>/sms/status``.

        Raises DeliveryUnknown where Kaleyra did not answer or refused to.
        """
        kaleyra = client.KaleyraClient(route.sid, route.api_key, route.base_url, route.timeout)
        try:
            told = kaleyra.statuses(message_ids)
        except client.KaleyraError as error:
            raise DeliveryUnknown(
                error_code=error.code, error_message=str(error), error_class=error.error_class
            ) from error
        return [Pulled(message_id=one.message_id, status=one.status, trace=one.trace) for one in told]
