"""What one caller may do to another, or learn of him."""

from __future__ import annotations

import pytest
from django.contrib.auth import authenticate
from django.core import signing
from django.db import OperationalError, connection
from django.test import Client
from rest_framework.test import APIClient

from django_kaleyra_otp import breaker, challenges, recovery
from django_kaleyra_otp.backends import locmem
from django_kaleyra_otp.kaleyra import callbacks
from django_kaleyra_otp.login.backends import PhoneBackend, find_user
from django_kaleyra_otp.models import OTPChallenge, RateLimit, SendLog
from tests.conftest import API, NUMBER, OTHER, code_in

pytestmark = pytest.mark.django_db


def signed_in(django_user_model, name, **fields):
    client = APIClient()
    user = django_user_model.objects.create_user(name, **fields)
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return API(client), user


def test_a_token_that_somebody_else_asked_for_signs_nobody_in(user, django_user_model, outbox):
    """R-025: his guesses were counted apart from those of strangers."""
    _, other = signed_in(django_user_model, "mallory")
    challenge = challenges.start(NUMBER, purpose="login", user=other)
    token = challenges.verify(challenge.pk, code_in(outbox[-1])).token

    assert authenticate(None, otp_token=token) is None


def test_an_account_with_another_number_is_a_stranger_to_this_one(api, django_user_model):
    """R-048: many accounts are not many times the limits."""
    api.start(NUMBER)
    foreign, _ = signed_in(django_user_model, "mallory", phone_number=OTHER)

    assert foreign.start(NUMBER).json()["code"] == "cooldown"


@pytest.mark.parametrize("phone_number", [NUMBER, ""], ids=["his own", "none yet"])
def test_a_stranger_does_not_stop_the_owner(api, django_user_model, phone_number):
    """R-021."""
    api.start(NUMBER)
    owner, _ = signed_in(django_user_model, "asha", phone_number=phone_number)

    assert owner.start(NUMBER).status_code == 201


def test_a_challenge_whose_user_is_gone_is_nobodys(api, django_user_model):
    """R-033."""
    owner, user = signed_in(django_user_model, "asha", phone_number=NUMBER)
    challenge = owner.start(NUMBER).json()
    user.delete()

    assert api.look(challenge["id"]).status_code == 404


@pytest.mark.parametrize("has_user", [True, False], ids=["true", "decoy"])
def test_what_a_signed_cookie_shows_is_no_key_to_the_api(api, settings, django_user_model, has_user):
    """R-032, V20: the value that ties a sign-in to its session starts nothing elsewhere."""
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    if has_user:
        django_user_model.objects.create_user("asha", phone_number=NUMBER)
    client = Client()
    client.post("/login/", {"phone_number": NUMBER})
    cookie = signing.loads(
        client.cookies["sessionid"].value, salt="django.contrib.sessions.backends.signed_cookies"
    )
    (tie,) = [kept["tie"] for kept in cookie.values() if isinstance(kept, dict) and "tie" in kept]

    assert api.start(NUMBER, purpose="login", key=tie).json()["code"] == "cooldown"


@pytest.mark.parametrize("has_user", [True, False], ids=["true", "decoy"])
def test_a_resend_while_kaleyra_is_down_says_the_same_to_all(configure, django_user_model, has_user):
    """R-032."""
    if has_user:
        django_user_model.objects.create_user("asha", phone_number=NUMBER)
    client = Client()
    client.post("/login/", {"phone_number": NUMBER})
    RateLimit.objects.all().delete()
    configure(BACKEND="tests.playing.Away", LIMITS=[], RESEND_COOLDOWN=0, RETRIES=0)
    for number in range(breaker.FAILURES):
        APIClient().post("/otp/challenges/", {"phone_number": f"+9198765{number:05d}"}, "json")

    page = client.post("/login/?step=code", {"resend": "1"}, follow=True)

    assert "cannot be sent at the moment" in page.content.decode()


class Busy:
    """The database is away from the statement that writes an answer down."""

    def __call__(self, execute, sql, params, many, context):
        if sql.startswith("UPDATE") and "kaleyra_otp_sendlog" in sql:
            raise OperationalError("the server is gone")
        return execute(sql, params, many, context)


def test_an_sms_that_left_is_never_said_not_to_have(transactional_db, outbox):
    """R-079: who is told that nothing was sent asks again, and two are sent."""
    with connection.execute_wrapper(Busy()):
        challenge = challenges.start(NUMBER)

    assert len(outbox) == 1
    assert SendLog.objects.get(challenge=challenge).status == "sending"
    assert recovery.reconcile().lost == 0


def test_of_two_phone_backends_the_one_that_takes_the_token_says_who_may_sign_in(settings, django_user_model):
    settings.AUTHENTICATION_BACKENDS = [
        "django_kaleyra_otp.login.backends.PhoneBackend",
        "tests.test_strangers.StaffPhone",
    ]
    django_user_model.objects.create_user("boss", phone_number=NUMBER, is_staff=True)

    assert find_user(NUMBER) is None


class StaffPhone(PhoneBackend):
    def allows(self, user):
        return True


taken: list[int] = []


def take(send_log_id):
    taken.append(send_log_id)


def test_the_id_that_a_decoy_gives_a_queue_is_never_somebodys(configure):
    taken.clear()
    configure(DISPATCH="tests.test_strangers.take")
    Client().post("/login/", {"phone_number": OTHER})
    true = challenges.start(NUMBER).newest_send

    assert len(taken) == 2
    assert taken[0] != true.pk == taken[1]
    assert OTPChallenge.objects.count() == 2
    assert locmem.outbox == []


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("2025-04-17 18:35:20", "2025-04-17 18:35:20"),
        ("1744914920", "1744914920"),
        ("919876543210 011566", "•••• ••••"),
    ],
)
def test_a_time_that_is_none_is_hidden(said, kept):
    """R-097: a field that was wired wrongly may hold the number, or the code."""
    told = callbacks.parse(b'{"id": "x:1", "status": "SENT", "timestamp": "%s"}' % said.encode())

    assert told.occurred == kept


def test_a_body_that_cannot_be_read_is_an_error_of_the_caller(client):
    """R-038."""

    class Broken:
        def read(self, *args):
            raise OSError("the client is gone")

        readline = read

    answer = client.generic(
        "POST",
        "/otp/challenges/",
        b"{}",
        content_type="application/json",
        **{"wsgi.input": Broken(), "CONTENT_LENGTH": "2"},
    )

    assert answer.status_code == 400
