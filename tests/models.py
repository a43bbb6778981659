"""What a project's own app may have: users with a number."""

from django.contrib.auth.models import AbstractUser
from phonenumber_field.modelfields import PhoneNumberField


class Customer(AbstractUser):
    """A user who may have a phone number."""

    phone_number = PhoneNumberField(blank=True)

    class Meta:
        app_label = "tests"
