"""The shapes that values of ``KALEYRA_OTP`` have: what is wrong with one, and what it is parsed into.

A complaint is the end of a sentence that begins with the key's name, or ""; it never shows a value.
"""

from django_kaleyra_otp.shapes.accounts import PODS, RouteEntry, is_loopback
from django_kaleyra_otp.shapes.rules import Guard, Limit, Purpose, TestNumber
from django_kaleyra_otp.shapes.texts import Message
from django_kaleyra_otp.shapes.values import Complaint, load, meets

__all__ = [
    "PODS",
    "Complaint",
    "Guard",
    "Limit",
    "Message",
    "Purpose",
    "RouteEntry",
    "TestNumber",
    "is_loopback",
    "load",
    "meets",
]
