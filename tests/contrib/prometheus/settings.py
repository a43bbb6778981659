"""The project of the tests with the metrics in it."""

from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "django_kaleyra_otp.contrib.prometheus"]
