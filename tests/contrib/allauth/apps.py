from django.apps import AppConfig


class MembersConfig(AppConfig):
    name = "tests.contrib.allauth"
    label = "members"
    default_auto_field = "django.db.models.BigAutoField"
