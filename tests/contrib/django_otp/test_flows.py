"""django-otp's own doors, over the simulator: its login, its token form, its admin, ``otp_required``."""

from __future__ import annotations

import re

import pytest
from django.contrib.admin import site
from django.contrib.auth.models import Permission
from django.test import Client, RequestFactory
from django_otp.forms import OTPAuthenticationForm
from rest_framework.authtoken.models import Token

from django_kaleyra_otp.contrib.django_otp.models import KaleyraDevice
from django_kaleyra_otp.models import OTPChallenge, SendLog
from tests.conftest import NUMBER, OTHER, wrong

pytestmark = pytest.mark.django_db(transaction=True)

MASKED = "+91••••••3210"


@pytest.fixture
def device(user):
    return KaleyraDevice.objects.create(user=user, name="phone")


@pytest.fixture
def client():
    return Client()


def credentials(device, **more):
    return {
        "username": "asha",
        "password": "a password",
        "otp_device": device.persistent_id,
        "next": "/secret/",
        **more,
    }


def errors(answer):
    return " ".join(answer.context["form"].non_field_errors())


def test_a_sign_in_with_password_and_code(client, device, kaleyra):
    assert client.get("/secret/").url == "/verify/?next=/secret/"

    asked = client.post("/verify/", credentials(device, otp_challenge="1"))
    assert errors(asked) == f"OTP Challenge: A text message with a code is on its way to {MASKED}."
    code = kaleyra.wait_for_message(NUMBER).code
    assert code not in asked.content.decode()

    refused = client.post("/verify/", credentials(device, otp_token=wrong(code)))
    assert "Invalid token" in errors(refused)
    assert "_auth_user_id" not in client.session
    waiting = client.post("/verify/", credentials(device, otp_token=code))
    assert "1 failed attempt" in errors(waiting)

    KaleyraDevice.objects.update(throttling_failure_timestamp=None)
    signed_in = client.post("/verify/", credentials(device, otp_token=code))
    assert signed_in.url == "/secret/"
    assert client.get("/secret/").content == b"the secret"

    kaleyra.wait_until_idle()
    assert SendLog.objects.get().status == "delivered"


def test_a_code_is_no_good_for_a_second_sign_in(device, kaleyra):
    """V5."""
    first, second = Client(), Client()
    first.post("/verify/", credentials(device, otp_challenge="1"))
    code = kaleyra.wait_for_message(NUMBER).code

    assert first.post("/verify/", credentials(device, otp_token=code)).status_code == 302
    assert second.post("/verify/", credentials(device, otp_token=code)).status_code == 200
    assert second.get("/secret/").status_code == 302


def test_five_wrong_codes_close_the_door_and_the_form_says_why(client, device, kaleyra, settings):
    """R-019, R-011."""
    settings.OTP_KALEYRA_THROTTLE_FACTOR = 0
    client.post("/verify/", credentials(device, otp_challenge="1"))
    code = kaleyra.wait_for_message(NUMBER).code
    for _ in range(5):
        client.post("/verify/", credentials(device, otp_token=wrong(code)))

    closed = client.post("/verify/", credentials(device, otp_token=code))
    assert "5 failed attempts" in errors(closed)
    assert OTPChallenge.objects.get().attempts == 5


def test_asked_again_at_once_the_form_says_to_wait(client, device, kaleyra):
    for _ in range(2):
        answer = client.post("/verify/", credentials(device, otp_challenge="1"))

    assert "A code was sent a moment ago" in errors(answer)
    assert len(kaleyra.messages) == 1


def test_a_device_without_a_number_says_so(client, device, user, kaleyra):
    user.phone_number = ""
    user.save()
    answer = client.post("/verify/", credentials(device, otp_challenge="1"))

    assert errors(answer) == "OTP Challenge: There is no mobile number that a code could be sent to."


def test_another_users_device_is_not_asked(client, device, django_user_model, kaleyra):
    """V14."""
    other = django_user_model.objects.create_user("mallory", password="a password", phone_number=OTHER)
    mine = KaleyraDevice.objects.create(user=other, name="phone")
    stolen = {**credentials(device), "username": "mallory"}

    client.post("/verify/", {**stolen, "otp_challenge": "1"})
    assert kaleyra.messages == []
    client.post("/verify/", {**stolen, "otp_device": mine.persistent_id, "otp_challenge": "1"})
    code = kaleyra.wait_for_message(OTHER).code
    client.post("/verify/", {**stolen, "otp_token": code})
    assert client.get("/secret/").status_code == 302


def test_who_is_signed_in_gives_only_the_code(client, device, user, kaleyra):
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    assert client.get("/secret/").status_code == 302

    client.post("/verify/", {"otp_device": device.persistent_id, "otp_challenge": "1"})
    code = kaleyra.wait_for_message(NUMBER).code
    client.post("/verify/", {"otp_device": device.persistent_id, "otp_token": code, "next": "/secret/"})

    assert client.get("/secret/").content == b"the secret"


def test_a_device_that_is_not_confirmed_opens_nothing(client, device, user, kaleyra):
    KaleyraDevice.objects.update(confirmed=False)
    client.post("/verify/", credentials(device, otp_challenge="1"))
    code = kaleyra.wait_for_message(NUMBER).code
    client.post("/verify/", credentials(device, otp_token=code))

    assert client.get("/secret/").status_code == 302


def test_the_form_itself_takes_the_code(device, user, kaleyra, rf):
    given = credentials(device)
    OTPAuthenticationForm(rf.post("/"), data={**given, "otp_challenge": "1"}).is_valid()
    code = kaleyra.wait_for_message(NUMBER).code
    form = OTPAuthenticationForm(rf.post("/"), data={**given, "otp_token": code})

    assert form.is_valid()
    assert form.get_user().otp_device == device


@pytest.fixture
def staff(device, user):
    user.is_staff = True
    user.save()
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="kaleyra_otp_device"))
    return user


@pytest.fixture
def inside(client, staff, device, kaleyra):
    """Staff in the admin, through its own sign-in."""
    given = credentials(device, next="/admin/")
    client.post("/admin/login/", {**given, "otp_challenge": "1"})
    code = kaleyra.wait_for_message(NUMBER).code
    assert client.post("/admin/login/", {**given, "otp_token": code}).url == "/admin/"
    return client


def test_the_admin_opens_to_password_and_code_alone(inside, staff, django_user_model):
    assert inside.get("/admin/").status_code == 200

    by_password = Client()
    by_password.force_login(staff, backend="django.contrib.auth.backends.ModelBackend")
    assert by_password.get("/admin/").status_code == 302


def test_the_admin_masks_the_number_of_a_device(inside, device):
    KaleyraDevice.objects.update(phone_number=NUMBER)
    for page in ("", f"{device.pk}/change/"):
        shown = inside.get(f"/admin/kaleyra_otp_device/kaleyradevice/{page}").content.decode()
        assert MASKED in shown
        assert not re.search(r"9876543210|98765", shown)

    inside.post(
        f"/admin/kaleyra_otp_device/kaleyradevice/{device.pk}/change/",
        {"user": device.user_id, "name": "mine", "confirmed": "on", "phone_number": OTHER},
    )
    device.refresh_from_db()
    assert (device.name, device.phone_number) == ("mine", NUMBER)


def test_the_admin_reads_the_numbers_that_stand_beside_the_users_with_the_devices(
    staff, device, configure, django_user_model, django_assert_num_queries
):
    configure(USER_PHONE="auth_token__key")  # a text of one row for each user
    for n, name in enumerate(("ben", "cleo", "dev")):
        user = django_user_model.objects.create_user(name)
        Token.objects.create(user=user, key=f"{NUMBER[:-1]}{n}")
        KaleyraDevice.objects.create(user=user, name="theirs")
    request = RequestFactory().get("/")
    request.user = staff
    listed = list(site.get_model_admin(KaleyraDevice).get_changelist_instance(request).result_list)

    with django_assert_num_queries(0):
        assert len([each for each in listed if each.masked_number]) == 3


def test_a_number_is_not_found_digit_by_digit(inside, device):
    KaleyraDevice.objects.update(phone_number=NUMBER)
    answer = inside.get("/admin/kaleyra_otp_device/kaleyradevice/?phone_number__startswith=%2B919")

    assert answer.status_code == 400


def test_who_may_see_numbers_changes_them(inside, staff, device):
    staff.user_permissions.add(Permission.objects.get(codename="view_full_phone_number"))
    change = f"/admin/kaleyra_otp_device/kaleyradevice/{device.pk}/change/"
    given = {"user": device.user_id, "name": "phone", "confirmed": "on"}
    assert inside.post(change, {**given, "phone_number": "nonsense"}).status_code == 200

    assert inside.post(change, {**given, "phone_number": "+91 98765 01234"}).status_code == 302
    device.refresh_from_db()
    assert device.phone_number == OTHER


def test_the_search_finds_a_user_and_no_number(inside, device):
    found = inside.get("/admin/kaleyra_otp_device/kaleyradevice/?q=asha")

    assert found.context["cl"].result_count == 1
