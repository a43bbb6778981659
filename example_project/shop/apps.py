from importlib import import_module

from django.apps import AppConfig
from django.conf import settings


class ShopConfig(AppConfig):
    name = "shop"
    verbose_name = "Kirana"

    def ready(self):
        if settings.KALEYRA_OTP.get("DISPATCH") == "celery":
            import_module("shop.celery")  # what enqueues and what works must know the same broker
