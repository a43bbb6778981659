from django.contrib.auth.models import AbstractUser
from phonenumber_field.modelfields import PhoneNumberField


class Customer(AbstractUser):
    """Somebody who signs in with a phone number, or works in the admin with a password."""

    phone_number = PhoneNumberField("phone number", unique=True, null=True, blank=True)
