"""SMS for django-two-factor-auth.

``Gateway`` sends the codes that its phone plugin makes. The app ``django_kaleyra_otp.contrib.two_factor``
brings a method of its own instead, whose codes are ours: counted in the database, each good once.
"""

from django_kaleyra_otp.contrib.two_factor.gateway import Gateway

__all__ = ["Gateway"]
