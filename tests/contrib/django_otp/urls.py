from django.contrib.auth.decorators import login_not_required
from django.http import HttpResponse
from django.urls import include, path
from django_otp.admin import OTPAdminSite
from django_otp.decorators import otp_required
from django_otp.views import LoginView

from django_kaleyra_otp.contrib.django_otp.admin import KaleyraDeviceAdmin
from django_kaleyra_otp.contrib.django_otp.models import KaleyraDevice

site = OTPAdminSite(OTPAdminSite.name)
site.register(KaleyraDevice, KaleyraDeviceAdmin)

urlpatterns = [
    path("admin/", site.urls),
    path("otp/", include("django_kaleyra_otp.urls")),
    path("verify/", login_not_required(LoginView.as_view(template_name="otp/admin111/login.html"))),
    path("secret/", otp_required(lambda request: HttpResponse("the secret"))),
]
