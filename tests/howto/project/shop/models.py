from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils import timezone
from phonenumber_field.modelfields import PhoneNumberField


class Customer(AbstractUser):
    phone_number = PhoneNumberField(unique=True, null=True, blank=True)


class Payment(models.Model):
    customer = models.ForeignKey(Customer, models.CASCADE)
    payee = models.CharField(max_length=30)
    amount = models.DecimalField(max_digits=8, decimal_places=2)
    paid_at = models.DateTimeField(null=True)

    def __str__(self):
        return str(self.pk)

    def execute(self):
        if not Payment.objects.filter(pk=self.pk, paid_at=None).update(paid_at=timezone.now()):
            raise ValueError("It is paid already.")
