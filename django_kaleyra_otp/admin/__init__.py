"""What support sees: one room a table."""

from django_kaleyra_otp.admin.alarms import AlarmAdmin
from django_kaleyra_otp.admin.challenges import OTPChallengeAdmin
from django_kaleyra_otp.admin.deliveries import SendLogAdmin
from django_kaleyra_otp.admin.limits import RateLimitAdmin
from django_kaleyra_otp.admin.prefixes import BlockedPrefixAdmin
from django_kaleyra_otp.admin.updates import StatusUpdateAdmin

__all__ = [
    "AlarmAdmin",
    "BlockedPrefixAdmin",
    "OTPChallengeAdmin",
    "RateLimitAdmin",
    "SendLogAdmin",
    "StatusUpdateAdmin",
]
