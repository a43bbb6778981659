"""When the sign-in pages send a code, and what they say when they do not."""

import re

import pytest

from django_kaleyra_otp.login import pending
from django_kaleyra_otp.models import OTPChallenge, RateLimit
from tests.conftest import NUMBER, OTHER, code_in, wrong
from tests.playing import later
from tests.visitor import (
    CODE_URL,
    PROFILE,
    URL,
    Visitor,
)

pytestmark = [pytest.mark.django_db]


@pytest.fixture
def visitor(user):
    return Visitor()


@pytest.fixture
def no_cooldown(configure):
    configure(RESEND_COOLDOWN=0)


def test_a_resend_sends_the_same_code(visitor, outbox, no_cooldown):
    visitor.give_number(NUMBER)

    visitor.resend().follow()

    assert visitor.page.find(attrs={"role": "status"}).string == "The text message is on its way once more."
    assert len(outbox) == 2
    assert code_in(outbox[0]) == code_in(outbox[1])
    assert OTPChallenge.objects.get().sends == 2


def test_a_resend_within_the_cooldown_sends_nothing_and_says_how_long_to_wait(visitor, outbox):
    visitor.give_number(NUMBER)

    visitor.resend().follow()

    assert "A code was sent a moment ago." in visitor.text
    assert re.search(r"You can ask for another in (29|30) seconds", visitor.text)
    assert len(outbox) == 1
    assert visitor.give_code(code_in(outbox[0])).answer.url == PROFILE


def test_a_refusal_that_time_has_mended_is_no_longer_said(visitor):
    visitor.give_number(NUMBER).resend()
    session = visitor.client.session
    session[pending.SESSION_KEY]["resend_at"] -= 31
    session.save()

    assert "a moment ago" not in visitor.look(CODE_URL).text


def test_when_the_code_was_sent_as_often_as_may_be_a_new_one_is_offered(visitor, outbox, configure):
    configure(RESEND_COOLDOWN=0, MAX_SENDS=1)
    visitor.give_number(NUMBER).follow()
    assert visitor.page.find("button", {"name": "resend"}).string == "Send a new code"

    visitor.resend()

    assert OTPChallenge.objects.count() == 2
    assert visitor.give_code(code_in(outbox[1])).answer.url == PROFILE


def test_a_limit_that_is_reached_is_said_with_the_time_to_wait(visitor, outbox, configure):
    configure(RESEND_COOLDOWN=0, LIMITS=[{"scope": "phone", "rate": "1/h"}])
    visitor.give_number(NUMBER)

    visitor.resend().follow()

    assert "Too many codes were asked for." in visitor.text
    assert "in 60 minutes" in visitor.text
    assert len(outbox) == 1


def test_the_number_form_sent_twice_leads_to_the_code_that_is_on_its_way(visitor, outbox):
    visitor.give_number(NUMBER)

    visitor.give_number(NUMBER)

    assert visitor.answer.url == CODE_URL
    assert visitor.give_code(code_in(outbox[0])).answer.url == PROFILE
    assert len(outbox) == 1


def test_another_visitor_within_the_cooldown_is_told_to_wait(visitor, outbox):
    visitor.give_number(NUMBER)
    other = Visitor()

    other.give_number(NUMBER)

    assert other.answer.status_code == 200
    assert re.search(r"You can ask for another in (29|30) seconds\.", other.text)
    assert other.page.find("input", {"name": "phone_number"})["value"] == NUMBER
    assert len(outbox) == 1


def test_nothing_but_a_post_sends(visitor, outbox):
    """S2."""
    for url in (URL, CODE_URL, f"{URL}?phone_number={NUMBER}", f"{URL}?step=code&resend=1"):
        visitor.client.get(url)
        visitor.client.head(url)
        visitor.client.options(url)
    assert (len(outbox), OTPChallenge.objects.count()) == (0, 0)
    visitor.give_number(NUMBER)

    for url in (URL, CODE_URL, f"{URL}?step=code&resend=1"):
        visitor.client.get(url)
        visitor.client.head(url)

    assert len(outbox) == 1
    assert OTPChallenge.objects.get().sends == 1


def test_other_verbs_are_refused(visitor):
    for verb in ("put", "patch", "delete"):
        assert getattr(visitor.client, verb)(URL).status_code == 405


def test_a_wrong_code_sends_nothing(visitor, outbox):
    """S3."""
    visitor.give_number(NUMBER)

    visitor.give_code(wrong(code_in(outbox[0]))).follow()

    assert len(outbox) == 1


def test_the_kill_switch_is_told_and_charges_nothing(visitor, configure, outbox):
    configure(SENDING=False)

    visitor.give_number(NUMBER)

    assert "Codes cannot be sent at the moment." in visitor.text
    assert (len(outbox), RateLimit.objects.count(), OTPChallenge.objects.count()) == (0, 0, 0)


@pytest.mark.parametrize(
    ("phone_number", "sentence"),
    [
        ("", "This field is required."),
        ("98765 43210", "Enter a mobile number with its country code"),
        ("tel:+919876543210", "Enter a mobile number with its country code"),
        ("+91 98765 43210 x5", "Enter a mobile number with its country code"),
        ("+33 6 12 34 56 78", "Codes are not sent to numbers of this country."),
        ("+979 123 456 789", "Codes are not sent to numbers of this country."),
    ],
)
def test_a_number_that_gets_no_sms_is_refused_at_its_field(phone_number, sentence, visitor, outbox):
    """R-131."""
    visitor.give_number(phone_number)

    field = visitor.page.find("input", {"name": "phone_number"})
    message = visitor.page.find(id=field["aria-describedby"].split()[-1])
    assert message["role"] == "alert"
    assert sentence in message.get_text()
    assert field.get("value", "") == phone_number
    assert visitor.page.title.string.startswith("Error:")
    assert not outbox


@pytest.mark.parametrize("phone_number", [NUMBER, OTHER], ids=["known", "unknown"])
def test_a_refusal_is_asked_for_and_told_once_whoever_has_the_number(
    visitor, configure, caplog, phone_number
):
    """R-032, R-108: asked for twice, the log and the clock would tell a number with a user."""
    caplog.set_level("INFO", "django_kaleyra_otp.events")
    configure(SENDING=False)

    visitor.give_number(phone_number)

    assert [record.event for record in caplog.records] == ["sending_off"]


@pytest.mark.parametrize("backend", ["Refusing", "Away"])
def test_a_resend_that_fails_was_charged_and_shows_the_wait(user, configure, backend):
    """As one that arrives; whatever the reason, and to decoys too."""
    waits = []
    for phone_number in (NUMBER, OTHER):
        visitor = Visitor().give_number(phone_number)
        later(31)
        configure(BACKEND=f"tests.playing.{backend}")
        visitor.resend().follow()
        waits.append(re.search(r"You can ask for another in (\d+) seconds", visitor.text))
        configure(BACKEND="django_kaleyra_otp.backends.locmem.LocMemBackend")

    assert all(waits)
