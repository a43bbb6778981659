"""``path("login/", include("django_kaleyra_otp.login.urls"))``: signing in by number, and the step-up."""

from __future__ import annotations

from django.urls import path

from django_kaleyra_otp.login.views import PhoneLoginView, StepUpView

app_name = "kaleyra_otp_login"

urlpatterns = [
    path("", PhoneLoginView.as_view(), name="phone_login"),
    path("confirm/", StepUpView.as_view(), name="step_up"),
]
