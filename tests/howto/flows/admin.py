import pytest
from conftest import NUMBER

from django_kaleyra_otp.testing import last_code

PAGES = ["/admin/", "/admin/kaleyra_otp/otpchallenge/", "/admin/password_change/", "/admin/jsi18n/"]


@pytest.fixture
def boss(asha):
    asha.is_staff = asha.is_superuser = True
    asha.save()
    return asha


def test_password_and_code_open_the_admin(boss, client):
    door = client.get("/admin/").url
    assert door == "/admin/login/?next=/admin/"

    answer = client.post(door, {"username": "asha", "password": "a password", "next": "/admin/"})
    assert "_auth_user_id" not in client.session
    answer = client.post(answer.url, {"code": last_code(NUMBER)})

    assert answer.url == "/admin/"
    assert [client.get(page).status_code for page in PAGES] == [200] * 4


def test_a_session_without_a_code_opens_no_page(boss, client, sms_outbox):
    client.force_login(boss, "django.contrib.auth.backends.ModelBackend")

    for page in PAGES:
        answers = [client.get(page), client.post(page)]
        assert [answer.status_code for answer in answers] == [302, 302]
        assert all(answer.url.startswith("/login/confirm/") for answer in answers)
    assert sms_outbox == []


def test_it_opens_them_after_a_code(boss, client):
    client.force_login(boss, "django.contrib.auth.backends.ModelBackend")
    confirm = client.get("/admin/").url

    answer = client.post(confirm)
    answer = client.post(answer.url, {"code": last_code(NUMBER)})

    assert answer.url == "/admin/"
    assert client.get("/admin/").status_code == 200


def test_who_has_given_no_code_may_still_sign_out(boss, client):
    client.force_login(boss, "django.contrib.auth.backends.ModelBackend")

    assert client.post("/admin/logout/").status_code == 200
    assert "_auth_user_id" not in client.session


def test_a_customer_has_no_way_in(asha, client):
    client.post("/admin/login/", {"username": "asha", "password": "a password"})
    client.post("/admin/login/?step=code", {"code": last_code(NUMBER)})
    assert "_auth_user_id" in client.session

    assert client.get("/admin/").url.startswith("/admin/login/")


def test_who_has_no_number_is_refused(boss, client):
    boss.phone_number = None
    boss.save()

    answer = client.post("/admin/login/", {"username": "asha", "password": "a password"})

    assert answer.status_code == 403
    assert "_auth_user_id" not in client.session


def test_a_phone_alone_is_no_second_step(boss, client):
    client.force_login(boss, "django_kaleyra_otp.login.backends.PhoneBackend")

    assert client.get(client.get("/admin/").url).status_code == 403
