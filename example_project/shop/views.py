from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.shortcuts import render
from django.views.decorators.cache import never_cache

from django_kaleyra_otp.models import ChallengeStatus, SendLog
from shop.demo import CUSTOMERS, STAFF


@never_cache
def home(request):
    """Where to click."""
    name, password = STAFF
    return render(
        request,
        "shop/home.html",
        {
            "customers": CUSTOMERS,
            "staff_name": name,
            "staff_password": password,
            "handsets": f"http://127.0.0.1:{settings.SIMULATOR_PORT}/",
        },
    )


@never_cache
@login_required
def account(request):
    """What only the customer sees: among it, what became of the codes that were sent to him."""
    sends = []
    if request.user.phone_number:
        rows = SendLog.objects.filter(phone_number=request.user.phone_number.as_e164)
        sends = [shown(send) for send in rows.select_related("challenge").order_by("-created_at")[:5]]
    return render(request, "shop/account.html", {"sends": sends})


def shown(send):
    """Return what a customer sees of one text message."""
    seconds = (send.delivered_at - send.created_at).total_seconds() if send.delivered_at else None
    return {
        "created_at": send.created_at,
        "status": send.get_status_display(),
        "seconds": "not known" if seconds is None else f"{seconds:.1f} s",
        "code": ChallengeStatus(send.challenge.effective_status).label if send.challenge else "",
    }
