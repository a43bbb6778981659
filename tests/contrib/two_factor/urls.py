from django.http import HttpResponse
from django.urls import include, path
from django_otp.decorators import otp_required
from two_factor.urls import urlpatterns as two_factor

urlpatterns = [
    path("", include(two_factor)),
    path("otp/", include("django_kaleyra_otp.urls")),
    path("secret/", otp_required(lambda request: HttpResponse("the secret"))),
]
