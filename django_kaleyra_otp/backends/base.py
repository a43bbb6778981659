"""What a backend must do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from django_kaleyra_otp.types import SMS, Pulled, Receipt, Route


class BaseBackend(ABC):
    """Hands SMS to a provider. Made anew for each send; keep what is costly at module level."""

    @abstractmethod
    def send(self, sms: SMS, route: Route) -> Receipt:
        """Hand one SMS over, once, and return the id that the provider's callbacks will name.

        Keep to ``route.timeout``: seconds to connect, seconds for the whole answer. Never try again
        here: what may be tried again is decided by what is raised.

        Raises DeliveryFailed where the provider said no, and DeliveryUnavailable where it was not
        reached or said later: nothing was sent. Raises DeliveryUnknown where the answer was lost:
        the SMS may be on its way, so nobody may send it again. Anything else raised counts as that.
        """

    def pull(self, message_ids: Sequence[str], route: Route) -> Sequence[Pulled]:
        """Ask what became of messages, 50 at most, and return what is known; none, where nobody can be asked.

        Raises DeliveryUnknown where no clear answer came; it is asked again later.
        """
        return ()
