from django.http import HttpResponse
from django.urls import include, path

urlpatterns = [
    path("accounts/profile/", lambda request: HttpResponse(str(request.user.pk))),
    path("accounts/", include("allauth.urls")),
    path("_allauth/", include("allauth.headless.urls")),
    path("otp/", include("django_kaleyra_otp.urls")),
]
