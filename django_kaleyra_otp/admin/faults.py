"""Whose fault it is that a code did not arrive, and what mends it, where Kaleyra's catalogue does not say."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from django_kaleyra_otp.kaleyra.errors import ErrorClass

FAULTS: dict[str, Promise] = {
    ErrorClass.CONFIGURATION: gettext_lazy("ours: the settings, or the Kaleyra account"),
    ErrorClass.RECIPIENT: gettext_lazy("the number's"),
    ErrorClass.HANDSET: gettext_lazy("the phone's or its network's, for a while"),
    ErrorClass.PREFERENCE: gettext_lazy("nobody's: the person wants no SMS"),
    ErrorClass.BALANCE: gettext_lazy("ours: the balance of the Kaleyra account"),
    ErrorClass.DLT: gettext_lazy("ours: the sender or template as registered with DLT"),
    ErrorClass.VENDOR: gettext_lazy("Kaleyra's or the operator's"),
    ErrorClass.NETWORK: gettext_lazy("the network's between us and Kaleyra"),
    ErrorClass.CALLER: gettext_lazy("ours: a request that no setting makes right"),
}

#: What to do about a fault, where no more is known than whose it is.
MENDS: dict[str, Promise] = {
    ErrorClass.CONFIGURATION: gettext_lazy(
        "Tell who runs this site: kaleyra_otp_doctor says what is wrong. Asking again does not help until "
        "then."
    ),
    ErrorClass.RECIPIENT: gettext_lazy(
        "Check the number with the person. If it is right, the person needs another way to sign in."
    ),
    ErrorClass.HANDSET: gettext_lazy(
        "Switch the phone on, free some of its memory, look for reception; then ask for a new code."
    ),
    ErrorClass.PREFERENCE: gettext_lazy("The person can have their operator end the block of SMS."),
    ErrorClass.BALANCE: gettext_lazy("Top up the account; nothing is sent until then."),
    ErrorClass.DLT: gettext_lazy(
        "Tell who runs this site: sender, template and text must be those that are registered. Asking again "
        "does not help until then."
    ),
    ErrorClass.VENDOR: gettext_lazy(
        "Ask for a new code. If others of the country report the same, give Kaleyra the message id."
    ),
    ErrorClass.NETWORK: gettext_lazy("Ask for a new code. If this repeats, see that Kaleyra can be reached."),
    ErrorClass.CALLER: gettext_lazy("Report it, with the error code, to who runs this site."),
}


@dataclass(frozen=True, slots=True)
class OwnError:
    """An error code that is no word of Kaleyra's but ours: its meaning, whose fault it is, what mends it."""

    meaning: Promise
    fault: Promise
    mend: Promise


_TOO_LATE = OwnError(
    gettext_lazy("The challenge was over before a worker took the SMS."),
    gettext_lazy("ours: the queue is slow"),
    gettext_lazy("Ask for a new code. If this repeats, run more workers."),
)

#: The SMS never left; ``lost`` may have.
OWN_CODES: dict[str, OwnError] = {
    "backend": OwnError(
        gettext_lazy("The setting BACKEND names nothing that can be used."),
        gettext_lazy("ours: the settings"),
        MENDS[ErrorClass.CONFIGURATION],
    ),
    "breaker": OwnError(
        gettext_lazy("The account was given a rest, since it did not answer."),
        FAULTS[ErrorClass.NETWORK],
        MENDS[ErrorClass.NETWORK],
    ),
    "closed": _TOO_LATE,
    "dispatch": OwnError(
        gettext_lazy("The queue did not take the SMS."),
        gettext_lazy("ours: the queue"),
        gettext_lazy("See that the queue's broker answers and a worker runs, then ask for a new code."),
    ),
    "key": OwnError(
        gettext_lazy("The key that the code is made with is no longer in the settings."),
        gettext_lazy("ours: the settings"),
        gettext_lazy("Keep the old key beside the new one for ten minutes; ask for a new code."),
    ),
    "late": _TOO_LATE,
    "lost": OwnError(
        gettext_lazy("The process that sent it ended before it wrote the answer down."),
        gettext_lazy("ours: a process that ended"),
        gettext_lazy("Ask for a new code. If this repeats, see why processes end."),
    ),
    "prefix_blocked": OwnError(
        gettext_lazy("The prefix of the number was closed by then."),
        gettext_lazy("ours: a blocked prefix"),
        gettext_lazy("Lift the block if it should not hold, then ask for a new code."),
    ),
    "sending_off": OwnError(
        gettext_lazy("Sending was switched off."),
        gettext_lazy("ours: the setting SENDING"),
        gettext_lazy("Switch it on again, then ask for a new code."),
    ),
    "time_out": OwnError(
        gettext_lazy("The time that one SMS may take, over all tries and routes, ran out."),
        FAULTS[ErrorClass.NETWORK],
        gettext_lazy("Ask for a new code. If this repeats, see how long Kaleyra takes to answer."),
    ),
}
