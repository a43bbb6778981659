"""A project with a sign-in in two steps and views that want a code: its URLconf, and who walks through it."""

from django.contrib.auth import get_user_model
from django.http import HttpResponse
from django.urls import include, path
from django.views import View

from django_kaleyra_otp.login import stamps
from django_kaleyra_otp.login.change_number import ChangeNumberView
from django_kaleyra_otp.login.decorators import CodeRequiredMixin, code_required
from django_kaleyra_otp.login.views import TwoStepLoginView
from tests.conftest import code_in
from tests.visitor import Visitor

#: What the server has of its payments, by id; a test may change them.
PAYMENTS = {}
#: What was done, in order.
DONE = []

PASSWORD_URL = "/accounts/login/"
SETTINGS_URL = "/settings/"
SECOND_URL = "/accounts/login/?step=code"


def open_shop(configure):
    """Have the purposes, the texts and two payments."""
    texts = [
        {"purpose": "payment", "BODY": "{code} pays {amount} to {payee}."},
        {"BODY": "{code} is your code."},
    ]
    configure(PURPOSES={"payment": {}, "transfer": {}}, MESSAGES=texts, RESEND_COOLDOWN=0, LIMITS=[])
    PAYMENTS.clear()
    DONE.clear()
    PAYMENTS["7"] = {"payment": "7", "amount": "INR 500.00", "payee": "Asha Stores"}
    PAYMENTS["8"] = {"payment": "8", "amount": "INR 900.00", "payee": "Asha Stores"}


def bind_of(request, payment):
    return PAYMENTS[payment]


async def bind_later(request, payment):
    await get_user_model().objects.acount()
    return PAYMENTS[payment]


def done(request, *args, **kwargs):
    """Answer like a view that does something on POST alone."""
    if request.method == "POST":
        DONE.append((request.user.get_username(), *kwargs.values()))
    return HttpResponse(f"{request.method} by {request.user.get_username()}")


@code_required()
def settings_page(request):
    return done(request)


@code_required("transfer", 120)
def transfer(request):
    return done(request)


@code_required("second_factor", max_age=None)
def vault(request):
    return done(request)


@code_required("payment", bind=bind_of)
def pay(request, payment):
    return done(request, payment=payment)


@code_required("payment", bind=bind_later)
async def pay_async(request, payment):
    user = await request.auser()
    if request.method == "POST":
        DONE.append((user.get_username(), payment))
    return HttpResponse(f"{request.method} by {user.get_username()}")


class PayView(CodeRequiredMixin, View):
    code_purpose = "payment"

    def code_bind(self):
        return PAYMENTS[self.kwargs["payment"]]

    def get(self, request, payment):
        return done(request, payment=payment)

    post = get


class PayAsyncView(CodeRequiredMixin, View):
    code_purpose = "payment"

    async def code_bind(self):
        return PAYMENTS[self.kwargs["payment"]]

    async def get(self, request, payment):
        user = await request.auser()
        if request.method == "POST":
            DONE.append((user.get_username(), payment))
        return HttpResponse(f"{request.method} by {user.get_username()}")

    post = get


class SettingsView(CodeRequiredMixin, View):
    def get(self, request):
        return done(request)

    post = get


class AsyncSettingsView(View):
    async def get(self, request):
        return done(request)

    post = get


class ChangeNumber(ChangeNumberView):
    next_page = "/accounts/profile/"

    def number_changed(self, user, old_number, new_number):
        DONE.append((user.get_username(), old_number, new_number))


class StaffInTwoSteps(TwoStepLoginView):
    def needs_second_step(self, user):
        return user.is_staff


class Person(Visitor):
    """A visitor of the sign-in in two steps."""

    def give_password(self, username="asha", password="a password", url=PASSWORD_URL, **more):
        self.answer = self.client.post(url, {"username": username, "password": password, **more})
        return self

    def give_code(self, code, url=SECOND_URL):
        self.answer = self.client.post(url, {"code": code})
        return self

    def resend(self):
        self.answer = self.client.post(SECOND_URL, {"resend": "1"})
        return self


class Customer(Visitor):
    """Somebody who is signed in, and walks through the step-up."""

    def send(self):
        """Press the button of the first page."""
        action = self.answer.url if self.answer.status_code == 302 else self.url
        self.url = action
        self.answer = self.client.post(action, {"next": self.page_next})
        return self

    def look(self, url):
        self.url = url
        return super().look(url)

    def follow(self):
        self.url = self.answer.url
        return super().follow()

    @property
    def page_next(self):
        field = self.page.find("input", {"name": "next"})
        return field["value"] if field else ""

    def give_code(self, code):
        self.answer = self.client.post(self.url, {"code": code})
        return self

    def ask_for_code(self, url):
        """Go to a guarded page, have a code sent, and come to the page that asks for it."""
        return self.look(url).follow().send().follow()

    def confirm(self, url, outbox):
        """Go to a guarded page and give the code it wants; end where that leads."""
        self.ask_for_code(url)
        return self.give_code(code_in(outbox[-1]))


def age_of_stamps(customer, seconds):
    session = customer.client.session
    asks = session[stamps.SESSION_KEY]
    for ask in asks.values():
        ask["stamp"]["at"] -= seconds
    session[stamps.SESSION_KEY] = asks
    session.save()


urlpatterns = [
    path("login/", include("django_kaleyra_otp.login.urls")),
    path("otp/", include("django_kaleyra_otp.urls")),
    path("accounts/login/", TwoStepLoginView.as_view(), name="login"),
    path("accounts/returning/", TwoStepLoginView.as_view(redirect_authenticated_user=True)),
    path("accounts/staff/", StaffInTwoSteps.as_view()),
    path("accounts/profile/", lambda request: HttpResponse(request.user.get_username())),
    path("settings/", settings_page),
    path("settings/class/", SettingsView.as_view()),
    path("settings/class/async/", code_required()(AsyncSettingsView.as_view())),
    path("transfer/", transfer),
    path("vault/", vault),
    path("number/", ChangeNumber.as_view()),
    path("pay/<payment>/", pay),
    path("pay/<payment>/async/", pay_async),
    path("pay/<payment>/class/", PayView.as_view()),
    path("pay/<payment>/class/async/", PayAsyncView.as_view()),
]
