"""What is announced, after commit, by ``send_robust``; never with a code.

A receiver that raises is logged and stops nobody.
"""

from __future__ import annotations

from django.dispatch import Signal

#: ``challenge``: an OTPChallenge that was just committed; its first SMS may not have left yet.
challenge_started = Signal()

#: ``challenge``: an OTPChallenge whose code was given; sent once a challenge.
challenge_verified = Signal()

#: ``challenge``: an OTPChallenge that a wrong code was given for; ``attempts_left``: 0 = it is closed.
challenge_failed = Signal()

#: ``send``: a SendLog that the provider accepted.
sms_submitted = Signal()

#: ``send``: a SendLog whose status moved; ``previous``: the status before, a ``models.DeliveryStatus``.
delivery_updated = Signal()

#: ``blocked_prefix``: a BlockedPrefix that the guard wrote, or would write under ``monitor``.
guard_tripped = Signal()

#: ``alarm``: an Alarm that was just raised.
alarm_raised = Signal()

#: ``alarm``: an Alarm that is over.
alarm_cleared = Signal()

#: ``event``: the name of a log event; ``outcome`` and ``fields``: what its record has.
event = Signal()
