"""The admin, and the API beside it."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [path("admin/", admin.site.urls), path("otp/", include("django_kaleyra_otp.urls"))]
