from django.urls import include, path

urlpatterns = [path("otp/", include("django_kaleyra_otp.urls"))]
