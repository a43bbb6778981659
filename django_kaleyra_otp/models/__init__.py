"""The tables, and the UPDATE of each move."""

from django_kaleyra_otp.models.alarm import Alarm, AlarmKind
from django_kaleyra_otp.models.blocked_prefix import BlockedPrefix
from django_kaleyra_otp.models.challenge import ChallengeStatus, OTPChallenge
from django_kaleyra_otp.models.delivery import Channel, DeliveryStatus, SendLog, Source, StatusUpdate
from django_kaleyra_otp.models.figures import DailyFigures
from django_kaleyra_otp.models.rate_limit import RateLimit

__all__ = [
    "Alarm",
    "AlarmKind",
    "BlockedPrefix",
    "ChallengeStatus",
    "Channel",
    "DailyFigures",
    "DeliveryStatus",
    "OTPChallenge",
    "RateLimit",
    "SendLog",
    "Source",
    "StatusUpdate",
]
