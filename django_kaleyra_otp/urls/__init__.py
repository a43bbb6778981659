"""``path("otp/", include("django_kaleyra_otp.urls"))``: the API and the webhook."""

from __future__ import annotations

from django.urls import path

from django_kaleyra_otp.api import views
from django_kaleyra_otp.webhooks import WebhookView

app_name = "kaleyra_otp"

urlpatterns = [
    path("challenges/", views.StartView.as_view(), name="challenge-list"),
    path("challenges/<str:challenge_id>/", views.DetailView.as_view(), name="challenge-detail"),
    path("challenges/<str:challenge_id>/verify/", views.VerifyView.as_view(), name="challenge-verify"),
    path("challenges/<str:challenge_id>/resend/", views.ResendView.as_view(), name="challenge-resend"),
    path("webhook/", WebhookView.as_view(), name="webhook"),
]
