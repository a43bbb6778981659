"""A user whose number allauth keeps."""

from django.contrib.auth.models import AbstractUser
from django.db import models


class Member(AbstractUser):
    phone_number = models.CharField(max_length=16, blank=True)
    phone_verified = models.BooleanField(default=False)
