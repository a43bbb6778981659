from django.contrib import admin
from django.http import HttpResponse
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("otp/", include("django_kaleyra_otp.urls")),
    path("login/", include("django_kaleyra_otp.login.urls")),
    path("accounts/profile/", lambda request: HttpResponse(request.user.get_username())),
]
