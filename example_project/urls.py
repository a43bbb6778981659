import django
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.views import LogoutView
from django.contrib.staticfiles.urls import staticfiles_urlpatterns
from django.urls import include, path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView
from shop import views

from django_kaleyra_otp.login.views import TwoStepLoginView

api_docs = SpectacularSwaggerView.as_view(url_name="schema")
if django.VERSION >= (6, 0):
    from django.views.decorators.csp import csp_override

    api_docs = csp_override({})(api_docs)  # Swagger UI starts with a script in the page

urlpatterns = [
    path("", views.home, name="home"),
    path("account/", views.account, name="account"),
    path("account/number/", views.ChangeNumber.as_view(), name="change-number"),
    path("payments/", views.new_payment, name="new-payment"),
    path("payments/<int:pk>/", views.payment, name="payment"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("login/", include("django_kaleyra_otp.login.urls")),
    path("login/password/", TwoStepLoginView.as_view(), name="two-step-login"),
    path("otp/", include("django_kaleyra_otp.urls")),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", api_docs, name="api-docs"),
    path("admin/", admin.site.urls),
    path("favicon.ico", RedirectView.as_view(url=f"{settings.STATIC_URL}shop/icon.svg")),
    *staticfiles_urlpatterns(),  # runserver has its own; gunicorn, of make demo-distributed, has none
]
