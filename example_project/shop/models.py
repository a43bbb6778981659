from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.db import models
from phonenumber_field.modelfields import PhoneNumberField


class Customer(AbstractUser):
    """Somebody who signs in with a phone number, or works in the admin with a password."""

    phone_number = PhoneNumberField("phone number", unique=True, null=True, blank=True)


class Payment(models.Model):
    """Money that a customer wants to send; it leaves when he has given a code for it."""

    customer = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="payments")
    payee = models.CharField("to", max_length=30)  # no longer than a text message shows
    amount = models.DecimalField(max_digits=8, decimal_places=2)
    created_at = models.DateTimeField(auto_now_add=True)
    paid_at = models.DateTimeField(null=True)

    def __str__(self):
        return f"{self.amount_text} to {self.payee}"

    @property
    def amount_text(self):
        return f"INR {self.amount:,.2f}"
