"""Changing the number that codes go to."""

import logging

import pytest
from django.contrib.auth import get_user_model
from django.db import IntegrityError
from django.db.models.signals import pre_save

from django_kaleyra_otp import challenges, events, signals, tokens
from django_kaleyra_otp.login import stamps
from django_kaleyra_otp.login.change_number import Change
from django_kaleyra_otp.login.pending import TIE
from tests.conftest import NUMBER, OTHER, code_in, wrong
from tests.guarded import DONE, Customer
from tests.visitor import PROFILE, the_challenge

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.guarded")]

CHANGE = "/number/"
CHANGE_CODE = "/number/?step=code"


@pytest.fixture
def customer(user, configure):
    configure(RESEND_COOLDOWN=0, LIMITS=[])
    DONE.clear()
    customer = Customer()
    customer.client.force_login(user)
    return customer


@pytest.fixture
def stepped_up(customer, outbox):
    """The customer, who has just given a code to the old number."""
    customer.confirm(CHANGE, outbox)
    outbox.clear()
    return customer


def give_number(customer, number, **more):
    customer.answer = customer.client.post(CHANGE, {"phone_number": number, **more})
    return customer


def give_code(customer, code):
    customer.answer = customer.client.post(CHANGE_CODE, {"code": code})
    return customer


def number_of(user):
    user.refresh_from_db()
    return str(user.phone_number)


def test_the_new_number_is_kept_once_its_code_was_given_and_the_hook_is_told_once(stepped_up, user, outbox):
    """R-030."""
    stepped_up.look(CHANGE)
    assert stepped_up.page.h1.get_text() == "Change your number"
    give_number(stepped_up, OTHER).follow()
    assert "+91••••••1234" in stepped_up.text
    assert [sms.to for sms in outbox] == [OTHER]
    assert number_of(user) == NUMBER

    give_code(stepped_up, code_in(outbox[0]))

    assert stepped_up.answer.url == PROFILE
    assert number_of(user) == OTHER
    assert DONE == [("asha", NUMBER, OTHER)]


def test_the_log_has_the_change_once_and_no_number(stepped_up, user, outbox, caplog):
    """R-108, R-106."""
    caplog.set_level(logging.INFO, "django_kaleyra_otp")
    give_number(stepped_up, OTHER)
    give_code(stepped_up, code_in(outbox[0]))
    give_code(stepped_up, code_in(outbox[0]))

    [record] = [each for each in caplog.records if getattr(each, "event", "") == "number_changed"]
    assert (record.user, record.old_number, record.number, record.number_hash) == (
        user.pk,
        "+91••••••3210",
        "+91••••••1234",
        events.hash_of(OTHER),
    )
    assert OTHER[3:] not in str([vars(each) for each in caplog.records])


def test_nothing_goes_on_without_a_code_to_the_old_number(customer, user, outbox):
    """R-030."""
    for answer in (
        customer.client.get(CHANGE),
        give_number(customer, OTHER).answer,
        give_code(customer, "123456").answer,
    ):
        assert answer.status_code == 302
        assert answer.url.startswith("/login/confirm/")
    assert not outbox
    assert number_of(user) == NUMBER


def test_a_step_up_of_long_ago_is_none(stepped_up, user, outbox):
    """R-030."""
    give_number(stepped_up, OTHER)
    session = stepped_up.client.session
    for ask in session[stamps.SESSION_KEY].values():
        ask["stamp"]["at"] -= 301
    session.save()

    give_code(stepped_up, code_in(outbox[0]))

    assert stepped_up.answer.url.startswith("/login/confirm/")
    assert (number_of(user), DONE) == (NUMBER, [])


def test_a_wrong_code_changes_nothing(stepped_up, user, outbox):
    give_number(stepped_up, OTHER)

    give_code(stepped_up, wrong(code_in(outbox[0]))).follow()

    assert "4 more times" in stepped_up.text
    assert (number_of(user), DONE) == (NUMBER, [])


def test_the_code_for_one_number_does_not_change_to_another(stepped_up, user, outbox):
    """R-026, V31."""
    give_number(stepped_up, OTHER)
    give_number(stepped_up, "+919876509999")

    give_code(stepped_up, code_in(outbox[0]))

    assert number_of(user) == NUMBER


def test_the_code_of_another_users_change_is_no_good(stepped_up, user, outbox, django_user_model):
    """V14: a session that one left to another."""
    ben = django_user_model.objects.create_user("ben", phone_number="+919876509999")
    other = Customer()
    other.client.force_login(ben)
    other.confirm(CHANGE, outbox)
    give_number(stepped_up, OTHER)
    session = other.client.session
    session[Change.session_key] = stepped_up.client.session[Change.session_key]
    session.save()

    give_code(other, code_in(outbox[-1]))

    assert number_of(ben) == "+919876509999"
    assert not DONE


def test_who_wants_a_number_that_is_not_his_is_no_known_caller_of_it(stepped_up, user):
    """R-021."""
    give_number(stepped_up, OTHER)

    assert (the_challenge().known, the_challenge().user) == (False, user)


def test_another_change_needs_a_code_to_the_number_that_he_has_now(stepped_up, user, outbox):
    """R-030."""
    give_number(stepped_up, OTHER)
    give_code(stepped_up, code_in(outbox[0]))

    give_number(stepped_up, "+919876509999")

    assert stepped_up.answer.url.startswith("/login/confirm/")
    assert len(outbox) == 1


def test_a_number_of_another_account_is_refused_to_who_holds_it_and_looks_the_same_before(
    stepped_up, user, outbox, django_user_model
):
    """R-032."""
    django_user_model.objects.create_user("ben", phone_number=OTHER)
    give_number(stepped_up, OTHER)
    assert stepped_up.answer.url == CHANGE_CODE

    give_code(stepped_up, code_in(outbox[0]))

    assert "Another account has this number." in stepped_up.page.find(role="alert").get_text()
    assert (number_of(user), DONE) == (NUMBER, [])


def test_the_number_that_he_has_is_told_at_the_field(stepped_up, outbox):
    give_number(stepped_up, NUMBER)

    assert "This is your number already." in stepped_up.text
    assert not outbox


@pytest.mark.parametrize("number", ["nonsense", "+33 6 12 34 56 78"])
def test_a_number_that_gets_no_code_is_told_at_the_field(number, stepped_up, outbox):
    field = give_number(stepped_up, number).page.find("input", {"name": "phone_number"})

    assert field["aria-invalid"] == "true"
    assert not outbox


def test_who_has_no_number_is_refused(customer, user):
    get_user_model().objects.update(phone_number="")

    assert customer.look(CHANGE).follow().answer.status_code == 403


def test_an_account_that_takes_the_number_at_the_same_moment_is_told(stepped_up, user, outbox):
    """As where the field is unique, and the database refuses."""

    def refuse(**kwargs):
        raise IntegrityError

    give_number(stepped_up, OTHER)
    pre_save.connect(refuse, sender=get_user_model())
    try:
        give_code(stepped_up, code_in(outbox[0]))
    finally:
        pre_save.disconnect(refuse, sender=get_user_model())

    assert "Another account has this number." in stepped_up.page.find(role="alert").get_text()
    assert (number_of(user), DONE) == (NUMBER, [])


def test_next_leads_on(stepped_up, outbox):
    give_number(stepped_up, OTHER, next="/settings/")

    assert give_code(stepped_up, code_in(outbox[0])).answer.url == "/settings/"


class OneDatabase:
    """A router as projects write them: it asks each model for its app."""

    def db_for_read(self, model, **hints):
        return "default" if model._meta.app_label else None

    db_for_write = db_for_read


def test_a_project_with_a_database_router_can_change_numbers(stepped_up, user, outbox, settings):
    settings.DATABASE_ROUTERS = [f"{__name__}.OneDatabase"]

    give_number(stepped_up, OTHER)
    give_code(stepped_up, code_in(outbox[0]))

    assert number_of(user) == OTHER


def test_a_proof_that_was_used_elsewhere_begins_the_change_anew(stepped_up, user, outbox):
    """The sentence about another account would not be true."""
    give_number(stepped_up, OTHER)
    challenge = the_challenge()

    def use(sender, challenge, **more):
        challenges.redeem(
            tokens.issue(challenge.pk),
            purpose="step_up",
            bind={"use": "change_number", TIE: stepped_up.client.session[Change.session_key]["tie"]},
        )

    signals.challenge_verified.connect(use)
    try:
        give_code(stepped_up, code_in(outbox[0]))
    finally:
        signals.challenge_verified.disconnect(use)

    assert (stepped_up.answer.status_code, stepped_up.answer.url) == (302, CHANGE)
    challenge.refresh_from_db()
    assert challenge.redeemed_at is not None
    assert number_of(user) == NUMBER
