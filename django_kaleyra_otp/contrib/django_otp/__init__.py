"""A device for django-otp. Add ``django_kaleyra_otp.contrib.django_otp`` to ``INSTALLED_APPS``."""
