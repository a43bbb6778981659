from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache

from django_kaleyra_otp import phones
from django_kaleyra_otp.login.change_number import ChangeNumberView
from django_kaleyra_otp.login.decorators import code_required
from django_kaleyra_otp.models import ChallengeStatus, SendLog
from shop.demo import CUSTOMERS, PASSWORD, STAFF
from shop.forms import PaymentForm
from shop.models import Payment


@never_cache
def home(request):
    """Where to click."""
    name, password = STAFF
    return render(
        request,
        "shop/home.html",
        {
            "customers": CUSTOMERS,
            "customer_password": PASSWORD,
            "staff_name": name,
            "staff_password": password,
            "handsets": f"http://127.0.0.1:{settings.SIMULATOR_PORT}/",
        },
    )


@never_cache
@login_required
def account(request, form=None):
    """What only the customer sees: among it, what became of the codes that were sent to him."""
    sends = []
    if request.user.phone_number:
        rows = SendLog.objects.filter(phone_number=request.user.phone_number.as_e164)
        sends = [shown(send) for send in rows.select_related("challenge").order_by("-created_at")[:5]]
    paid = request.user.payments.exclude(paid_at=None).order_by("-paid_at")[:5]
    return render(
        request, "shop/account.html", {"sends": sends, "payments": paid, "form": form or PaymentForm()}
    )


def shown(send):
    """Return what a customer sees of one text message."""
    seconds = (send.delivered_at - send.created_at).total_seconds() if send.delivered_at else None
    return {
        "created_at": send.created_at,
        "status": send.get_status_display(),
        "seconds": "not known" if seconds is None else f"{seconds:.1f} s",
        "code": ChallengeStatus(send.challenge.effective_status).label if send.challenge else "",
    }


@login_required
def new_payment(request):
    """Keep what was asked for on the server, where nobody changes it between the code and the payment."""
    form = PaymentForm(request.POST or None)
    if not form.is_valid():
        return account(request, form)
    form.instance.customer = request.user
    return redirect("payment", pk=form.save().pk)


def bind_of(request, pk):
    """Return what a code for a payment is good for, and what its text message says."""
    wanted = get_object_or_404(Payment, pk=pk, customer=request.user)
    return {"payment": str(wanted.pk), "amount": wanted.amount_text, "payee": wanted.payee}


@never_cache
@code_required("payment", max_age=180, bind=bind_of)
def payment(request, pk):
    """Show a payment, then do it: once, and only with the code for this amount and this payee."""
    wanted = get_object_or_404(Payment, pk=pk, customer=request.user)
    if request.method != "POST":
        return render(request, "shop/payment.html", {"payment": wanted})
    if Payment.objects.filter(pk=pk, paid_at=None).update(paid_at=timezone.now()):
        messages.success(request, f"You paid {wanted}.")
    return redirect("account")


class ChangeNumber(ChangeNumberView):
    """Our customer's way to another number."""

    next_page = "account"

    def number_changed(self, user, old_number, new_number):
        """Tell the customer; a real shop writes to his e-mail address, too."""
        old, new = phones.mask(old_number), phones.mask(new_number)
        messages.success(self.request, f"Your number was changed from {old} to {new}.")
