"""Payments: a code that is good for what the server says, and once."""

import pytest
from asgiref.sync import async_to_sync
from django.test import AsyncClient

from django_kaleyra_otp.login import stamps
from django_kaleyra_otp.login.decorators import code_required
from tests import guarded
from tests.conftest import OTHER, code_in
from tests.guarded import DONE, PAYMENTS, SETTINGS_URL, Customer, age_of_stamps, open_shop
from tests.visitor import Visitor

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.guarded")]


@pytest.fixture(autouse=True)
def shop(configure):
    open_shop(configure)


@pytest.fixture
def customer(user):
    customer = Customer()
    customer.client.force_login(user)
    return customer


BOUND = ["/pay/{}/", "/pay/{}/async/", "/pay/{}/class/", "/pay/{}/class/async/"]


@pytest.mark.parametrize("path", BOUND)
def test_a_payment_is_shown_in_the_sms_and_done_once(path, customer, outbox):
    """R-027, V14."""
    url = path.format("7")
    customer.look(url).follow()
    assert "INR 500.00" in customer.text
    assert "Asha Stores" in customer.text
    customer.send().follow()
    assert outbox[0].body.startswith(f"{code_in(outbox[0])} pays INR 500.00 to Asha Stores.")
    assert "INR 500.00" in customer.text
    customer.give_code(code_in(outbox[0]))
    assert customer.follow().answer.content == b"GET by asha"
    assert customer.look(url).answer.content == b"GET by asha"

    assert customer.client.post(url).content == b"POST by asha"

    assert customer.client.post(url).status_code == 302
    assert customer.client.get(url).status_code == 302
    assert DONE == [("asha", "7")]


def test_what_the_code_is_not_about_stands_on_no_page(customer):
    customer.look("/pay/7/").follow()

    terms = [term.get_text() for term in customer.page.find_all("dt")]
    assert terms == ["Amount", "Payee"]


def test_the_code_for_one_payment_does_no_other(customer, outbox):
    """R-027."""
    customer.confirm("/pay/7/", outbox)

    assert customer.client.post("/pay/8/").status_code == 302
    customer.ask_for_code("/pay/8/")
    customer.give_code(code_in(outbox[0]))
    assert customer.client.post("/pay/8/").status_code == 302
    assert not DONE


def test_a_payment_that_changes_after_the_code_needs_another(customer, outbox):
    """R-027."""
    customer.confirm("/pay/7/", outbox)
    PAYMENTS["7"] = {**PAYMENTS["7"], "amount": "INR 5000.00"}

    assert customer.client.post("/pay/7/").status_code == 302
    assert not DONE
    customer.confirm("/pay/7/", outbox)
    assert "INR 5000.00" in outbox[-1].body
    assert customer.client.post("/pay/7/").status_code == 200


def test_a_payment_that_changes_before_the_code_is_given_makes_it_wrong(customer, outbox):
    """R-027: what was shown and sent is what is paid."""
    customer.ask_for_code("/pay/7/")
    PAYMENTS["7"] = {**PAYMENTS["7"], "amount": "INR 5000.00"}
    customer.give_code(code_in(outbox[0]))

    assert customer.client.post("/pay/7/").status_code == 302
    assert not DONE


def test_a_number_that_changes_after_the_code_pays_nothing(customer, user, outbox):
    """R-026: the thief of a phone that its owner has given up."""
    customer.confirm("/pay/7/", outbox)
    user.phone_number = OTHER
    user.save()

    assert customer.client.post("/pay/7/").status_code == 302
    assert not DONE


def test_the_stamp_of_a_payment_opens_nothing_unbound(customer, outbox):
    customer.confirm("/pay/7/", outbox)

    assert customer.client.get(SETTINGS_URL).status_code == 302
    assert customer.client.get("/transfer/").status_code == 302


def test_two_payments_in_two_tabs_do_not_disturb_each_other(customer, outbox):
    customer.ask_for_code("/pay/7/")
    first = customer.url
    customer.ask_for_code("/pay/8/")
    second = customer.url
    customer.url = first
    customer.give_code(code_in(outbox[0]))
    customer.url = second
    customer.give_code(code_in(outbox[1]))

    assert customer.client.post("/pay/8/").status_code == 200
    assert customer.client.post("/pay/7/").status_code == 200
    assert DONE == [("asha", "8"), ("asha", "7")]


def test_a_session_holds_a_few_payments_and_every_stamp_of_a_purpose(customer, outbox):
    customer.confirm(SETTINGS_URL, outbox)
    for payment in map(str, range(100, 120)):
        PAYMENTS[payment] = {"amount": f"INR {payment}", "payee": "Asha Stores"}
        customer.look(f"/pay/{payment}/")

    assert len(customer.client.session[stamps.SESSION_KEY]) == stamps.MOST + 1
    assert customer.client.get(SETTINGS_URL).status_code == 200


def test_an_old_session_played_again_does_no_payment_twice(customer, outbox, settings, user):
    """V20: the proof is used up in its row, whatever the cookie says."""
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    customer.client.force_login(user)
    customer.confirm("/pay/7/", outbox)
    cookie = customer.client.cookies["sessionid"].value
    customer.client.post("/pay/7/")

    customer.client.cookies["sessionid"] = cookie

    assert customer.client.post("/pay/7/").status_code == 302
    assert DONE == [("asha", "7")]


@pytest.mark.django_db(transaction=True)
def test_of_two_payments_at_one_moment_one_is_done(customer, outbox, together):
    """V14."""
    customer.confirm("/pay/7/", outbox)
    cookie = customer.client.cookies["sessionid"].value

    def pay(_):
        other = Visitor()
        other.client.cookies["sessionid"] = cookie
        return other.client.post("/pay/7/").status_code

    assert sorted(together(8, pay)) == [200, *[302] * 7]
    assert DONE == [("asha", "7")]


def test_an_old_proof_pays_nothing(customer, outbox):
    customer.confirm("/pay/7/", outbox)
    age_of_stamps(customer, 301)

    assert customer.client.post("/pay/7/").status_code == 302
    assert customer.client.get("/pay/7/").status_code == 302


@pytest.mark.parametrize("bind", [None, "text", {"amount": 5}, {1: "x"}, {"session": "mine"}])
def test_a_hook_that_returns_no_dict_of_text_is_an_error(bind, customer):
    PAYMENTS["9"] = bind

    with pytest.raises(TypeError):
        customer.look("/pay/9/")
    with pytest.raises(TypeError):
        customer.look("/pay/9/class/")


def test_a_value_that_no_sms_can_hold_is_told_and_nothing_is_sent(customer, outbox):
    PAYMENTS["9"] = {"amount": "INR 1.00", "payee": "x" * 31}

    customer.look("/pay/9/").follow().send()

    assert customer.page.find(role="alert").get_text().strip()
    assert not outbox


def test_what_is_bound_needs_an_age():
    with pytest.raises(ValueError, match="max_age"):
        code_required("payment", max_age=None, bind=guarded.bind_of)


def test_session_cookies_that_are_signed_will_do(customer, outbox, settings, user):
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    customer.client.force_login(user)

    customer.confirm("/pay/7/", outbox)

    assert customer.client.post("/pay/7/").content == b"POST by asha"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("path", BOUND)
def test_a_view_is_guarded_under_an_async_server_too(path, customer, outbox):
    url, client = path.format("7"), AsyncClient()
    client.cookies = customer.client.cookies
    assert "/login/confirm/" in async_to_sync(client.get)(url).url
    customer.confirm(url, outbox)

    answers = [async_to_sync(client.post)(url) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 302]
    assert DONE == [("asha", "7")]
