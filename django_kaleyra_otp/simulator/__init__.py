"""Kaleyra on loopback: ``python -m django_kaleyra_otp.simulator``, or ``Simulator`` in a test.

No SMS is sent and nothing is written to disk. Standard library and requests only.
"""

from django_kaleyra_otp.simulator.messages import Callback, Message, Request
from django_kaleyra_otp.simulator.profiles import (
    DEFAULT_PROFILE_ID,
    FORM_PROFILE_ID,
    SHAPE_2_PROFILE_ID,
    Profile,
)
from django_kaleyra_otp.simulator.simulator import API_KEY, CALLBACK_SECRET, SENDER, SID, Simulator
from django_kaleyra_otp.simulator.state import Knobs

__all__ = [
    "API_KEY",
    "CALLBACK_SECRET",
    "DEFAULT_PROFILE_ID",
    "FORM_PROFILE_ID",
    "SENDER",
    "SHAPE_2_PROFILE_ID",
    "SID",
    "Callback",
    "Knobs",
    "Message",
    "Profile",
    "Request",
    "Simulator",
]
