import pytest
from conftest import NUMBER
from django.test import Client
from shop.models import Payment

from django_kaleyra_otp.testing import expire, last_code


@pytest.fixture
def payment(asha, client):
    client.force_login(asha)
    return Payment.objects.create(customer=asha, payee="Kirana Stores", amount=95)


@pytest.fixture
def ask(payment, post):
    return lambda: post(f"/api/payments/{payment.pk}/code/")


@pytest.fixture
def pay(payment, post):
    def with_code(asked, code=None):
        challenge = asked.json()["challenge"]
        return post(f"/api/payments/{payment.pk}/pay/", challenge=challenge, code=code or last_code(NUMBER))

    return with_code


def paid(payment):
    payment.refresh_from_db()
    return payment.paid_at is not None


def test_the_payer_sees_amount_and_payee_and_pays(payment, ask, pay, sms_outbox):
    asked = ask()
    assert asked.json() | {"amount": "EUR 95.00", "payee": "Kirana Stores"} == asked.json()
    assert sms_outbox[0].body == (
        f"{sms_outbox[0].code} pays EUR 95.00 to Kirana Stores. Shop never asks you for this code."
    )

    answer = pay(asked)

    assert (answer.status_code, answer.json()) == (200, {"status": "paid"})
    assert paid(payment)


def test_a_payment_that_changed_is_not_paid(payment, ask, pay):
    asked = ask()
    Payment.objects.update(amount=950)

    answer = pay(asked)

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_code")
    assert not paid(payment)


def test_the_code_of_one_payment_pays_no_other(payment, ask, post, asha):
    other = Payment.objects.create(customer=asha, payee="Somebody", amount=950)
    challenge = ask().json()["challenge"]

    answer = post(f"/api/payments/{other.pk}/pay/", challenge=challenge, code=last_code(NUMBER))

    assert answer.status_code == 400
    assert not paid(other)


def test_a_code_pays_once(payment, ask, pay):
    asked = ask()
    pay(asked)

    assert pay(asked).status_code == 404
    Payment.objects.update(paid_at=None)
    assert pay(asked).json()["code"] == "already_verified"


def test_wrong_and_late_codes_pay_nothing(payment, ask, pay):
    asked = ask()
    wrong = f"{(int(last_code(NUMBER)) + 1) % 10**6:06d}"
    assert pay(asked, wrong).json() == {"code": "invalid_code", "attempts_left": 2}

    expire(asked.json()["challenge"])

    assert pay(asked).json()["code"] == "expired"
    assert not paid(payment)


def test_nobody_else_asks_or_pays(payment, ask, django_user_model):
    ask()
    for stranger in (None, django_user_model.objects.create_user("ravi", phone_number="+971501234568")):
        browser = Client()
        if stranger:
            browser.force_login(stranger)
        for what in ("code", "pay"):
            answer = browser.post(f"/api/payments/{payment.pk}/{what}/", {}, "application/json")
            assert answer.status_code == (404 if stranger else 403)


def test_no_client_starts_a_payments_code_itself(client, payment):
    wanted = {"phone_number": NUMBER, "purpose": "payment"}

    assert client.post("/otp/challenges/", wanted, "application/json").status_code == 404


def test_a_refusal_has_its_word(ask):
    ask()

    assert (ask().status_code, ask().json()["code"]) == (429, "cooldown")


def test_who_has_no_number_is_told(ask, asha, sms_outbox):
    asha.phone_number = None
    asha.save()

    assert (ask().status_code, ask().json()["code"]) == (400, "invalid_phone_number")
    assert sms_outbox == []
