"""``path("otp/", include("django_kaleyra_otp.urls.webhook"))``: the webhook alone."""

from __future__ import annotations

from django.urls import path

from django_kaleyra_otp.webhooks import WebhookView

app_name = "kaleyra_otp_webhook"

urlpatterns = [path("webhook/", WebhookView.as_view(), name="webhook")]
