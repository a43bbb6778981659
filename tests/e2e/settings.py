"""The project of the tests behind a real server, on the real backend, beside the simulator."""

import json
import os

from tests.settings import *  # noqa: F403
from tests.settings import DATABASES, KALEYRA_OTP

DATABASES["default"]["NAME"] = os.environ["SERVER_DATABASE_NAME"]
DATABASES["default"]["CONN_MAX_AGE"] = 60
KALEYRA_OTP = {
    **KALEYRA_OTP,
    "BACKEND": "django_kaleyra_otp.backends.kaleyra.KaleyraBackend",
    "BASE_URL": os.environ["SIMULATOR_URL"],
    "SID": os.environ["SIMULATOR_SID"],
    "API_KEY": os.environ["SIMULATOR_API_KEY"],
    "SENDER": "KLRHXA",
    "WEBHOOK_SECRET": os.environ["SIMULATOR_SECRET"],
    "LIMITS": [{"scope": "phone", "rate": "10/d"}, {"scope": "global", "rate": "1000000/d"}],
}
if "SERVER_GLOBAL_RATE" in os.environ:
    KALEYRA_OTP["LIMITS"] = [{"scope": "global", "rate": os.environ["SERVER_GLOBAL_RATE"]}]
KALEYRA_OTP |= json.loads(os.environ.get("SERVER_KALEYRA_OTP", "{}"))
TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}
