"""``path("login/", include("django_kaleyra_otp.login.urls"))``: signing in by number."""

from __future__ import annotations

from django.urls import path

from django_kaleyra_otp.login.views import PhoneLoginView

app_name = "kaleyra_otp_login"

urlpatterns = [
    path("", PhoneLoginView.as_view(), name="phone_login"),
]
