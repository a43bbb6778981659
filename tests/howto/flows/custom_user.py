from conftest import NUMBER
from shop.models import User

from django_kaleyra_otp.testing import last_code


def test_a_newcomer_signs_up_and_is_signed_in(prove, post, client):
    answer = post("/api/sign-up/", token=prove("sign_up"))

    assert (answer.status_code, answer.json()) == (201, {"phone_number": NUMBER})
    user = User.objects.get()
    assert (user.phone_number.as_e164, user.has_usable_password(), user.is_staff) == (NUMBER, False, False)
    assert client.session["_auth_user_id"] == str(user.pk)


def test_a_number_that_was_only_typed_makes_no_user(client, db):
    client.post("/otp/challenges/", {"phone_number": NUMBER, "purpose": "sign_up"}, "application/json")

    assert not User.objects.exists()


def test_who_has_an_account_is_told_after_the_proof_alone(prove, post):
    User.objects.create_user(NUMBER)

    assert post("/api/sign-up/", token=prove("sign_up")).status_code == 403
    assert User.objects.count() == 1


def test_a_proof_that_is_none_makes_nobody(prove, post):
    token = prove("sign_up")
    post("/api/sign-up/", token=token)

    answers = [post("/api/sign-up/", token=each) for each in (token, prove("login", "+971501234568"), None)]

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(400, "invalid_token")] * 3
    assert User.objects.count() == 1


def test_the_pages_sign_in_a_user_of_this_model(client, db):
    user = User.objects.create_user(NUMBER)

    client.post("/login/", {"phone_number": NUMBER})
    answer = client.post("/login/?step=code", {"code": last_code(NUMBER)})

    assert answer.status_code == 302
    assert client.session["_auth_user_id"] == str(user.pk)


def test_who_prints_a_user_gets_text(db):
    user = User.objects.create_user(NUMBER)

    assert (str(User.objects.get(pk=user.pk)), user.get_username()) == (NUMBER, NUMBER)


def test_the_staff_have_a_password(db):
    boss = User.objects.create_superuser(NUMBER, "a password")

    assert boss.check_password("a password")
    assert boss.is_superuser
