"""Signing in in two steps: the password, then the code."""

from datetime import timedelta

import pytest
from django.contrib.auth import SESSION_KEY, get_user_model
from django.contrib.auth.signals import user_logged_in
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

from django_kaleyra_otp import challenges
from django_kaleyra_otp.login.pending import SecondStep
from django_kaleyra_otp.models import OTPChallenge
from tests.conftest import NUMBER, OTHER, code_in, wrong
from tests.guarded import PASSWORD_URL, SECOND_URL, Person
from tests.visitor import PROFILE, expire, the_challenge

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.guarded")]


@pytest.fixture
def person(user):
    return Person()


@pytest.fixture
def no_cooldown(configure):
    configure(RESEND_COOLDOWN=0, LIMITS=[])


def pending_of(person):
    return person.client.session.get(SecondStep.session_key)


def change_pending(person, **changes):
    session = person.client.session
    session[SecondStep.session_key] = {**session[SecondStep.session_key], **changes}
    session.save()


def test_a_password_and_a_code_sign_in(person, user, outbox):
    assert "password" in person.look(PASSWORD_URL).text
    person.give_password()
    assert (person.answer.status_code, person.answer.url) == (302, SECOND_URL)
    person.follow()
    assert "A text message with a code is on its way to +91••••••3210" in person.text

    person.give_code(code_in(outbox[0]))

    assert person.answer.url == PROFILE
    assert person.follow().answer.content == b"asha"
    assert SecondStep.session_key not in person.client.session


def test_between_the_steps_there_is_no_session_of_the_user_and_no_password(person, outbox):
    """V29, V30, R-034."""
    heard = []
    user_logged_in.connect(lambda **kwargs: heard.append(kwargs), weak=False, dispatch_uid="two-steps")
    try:
        person.give_password().follow()
        person.give_code(wrong(code_in(outbox[0]))).follow()
    finally:
        user_logged_in.disconnect(dispatch_uid="two-steps")

    kept = repr(dict(person.client.session))
    assert SESSION_KEY not in person.client.session
    assert person.look(PROFILE).answer.content == b""
    assert not heard
    for secret in (
        "a password",
        NUMBER[3:],
        code_in(outbox[0]),
        str(the_challenge().pk),
        the_challenge().pk.hex,
    ):
        assert secret not in kept


def test_a_wrong_password_sends_nothing_and_says_what_django_says(person, outbox):
    person.give_password(password="another")

    assert person.answer.status_code == 200
    assert "Please enter a correct username and password." in person.text
    assert person.page.find(role="alert")
    assert (len(outbox), OTPChallenge.objects.count()) == (0, 0)
    assert pending_of(person) is None


def test_the_caller_is_known_for_a_password_was_just_proven(person, user, outbox, configure):
    """R-021: strangers who use up a number's limits do not lock its owner out."""
    configure(RESEND_COOLDOWN=0, LIMITS=[{"scope": "phone", "rate": "1/h"}])
    challenges.start(NUMBER)

    person.give_password()

    challenge = the_challenge()
    assert person.answer.url == SECOND_URL
    assert (challenge.known, challenge.user, challenge.purpose) == (True, user, "second_factor")


@pytest.mark.parametrize("phone_number", ["", "+91123", "nonsense", "+1 900 555 0100"])
def test_who_has_no_number_is_refused_and_never_waved_through(phone_number, person, user, outbox):
    """R-026, V29."""
    get_user_model().objects.filter(pk=user.pk).update(phone_number=phone_number)

    person.give_password()

    assert person.answer.status_code == 403
    assert "No mobile number" in person.text
    assert person.signed_in_as is None
    assert person.look(SECOND_URL).answer.url == PASSWORD_URL
    assert not outbox


def test_a_test_number_is_no_second_factor_of_the_staff(person, user, configure):
    until = (timezone.now() + timedelta(days=10)).date().isoformat()
    configure(TEST_NUMBERS={NUMBER: {"code": "123456", "until": until}})
    get_user_model().objects.update(is_staff=True)

    assert person.give_password().answer.status_code == 403


def test_who_needs_the_second_step_is_the_projects_choice(person, user, outbox):
    person.give_password(url="/accounts/staff/")
    assert (person.signed_in_as, len(outbox)) == (str(user.pk), 0)
    person.client.logout()
    get_user_model().objects.update(is_staff=True)

    person.give_password(url="/accounts/staff/")

    assert (person.signed_in_as, len(outbox)) == (None, 1)
    assert person.give_code(code_in(outbox[0]), "/accounts/staff/?step=code").answer.url == PROFILE


def test_the_session_key_changes_with_each_step(person, outbox):
    """R-034: a session that was planted before is worth nothing after."""
    person.look("/settings/")
    session = person.client.session
    session["cart"] = "3"
    session.save()
    keys = [session.session_key]
    person.client.cookies["sessionid"] = session.session_key
    person.give_password()
    keys.append(person.client.session.session_key)

    person.give_code(code_in(outbox[0]))

    keys.append(person.client.session.session_key)
    assert len({*keys}) == 3
    assert person.client.session["cart"] == "3"
    assert not any(type(session)(key).load() for key in keys[:2])


@pytest.mark.parametrize(
    "change",
    [
        {"is_active": False},
        {"phone_number": OTHER},
        {"phone_number": ""},
        {"password": "md5$other$0123456789abcdef"},
    ],
)
def test_what_changes_between_the_steps_ends_the_sign_in(change, person, user, outbox):
    """R-026: the right code of before signs nobody in."""
    person.give_password()
    get_user_model().objects.update(**change)

    person.give_code(code_in(outbox[0]))

    assert person.answer.url == PASSWORD_URL
    assert person.signed_in_as is None
    assert pending_of(person) is None


def test_a_backend_that_was_taken_away_ends_the_sign_in(person, outbox, settings):
    person.give_password()
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.RemoteUserBackend"]

    assert person.give_code(code_in(outbox[0])).answer.url == PASSWORD_URL


def test_a_password_that_was_given_too_long_ago_must_be_given_again(person, outbox):
    person.give_password()
    change_pending(person, since=pending_of(person)["since"] - 901)

    assert person.look(SECOND_URL).answer.url == PASSWORD_URL
    assert person.signed_in_as is None


def test_a_rotated_secret_key_does_not_end_the_sign_in(person, outbox, settings):
    person.give_password()
    code = code_in(outbox[0])
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = (
        [settings.SECRET_KEY],
        "a-new-secret-key-0123456789abcd",
    )

    assert person.give_code(code).answer.url == PROFILE


def test_a_login_code_is_no_second_step(person, outbox):
    """V28, V31: nor is the session's own state of the one good for the other."""
    challenges.start(NUMBER, purpose="login")
    login_code = code_in(outbox[0])
    person.give_password()
    if code_in(outbox[1]) == login_code:
        pytest.skip("the two codes are the same, once in a million")

    person.give_code(login_code)

    assert person.signed_in_as is None
    assert the_challenge().attempts == 1


def test_the_code_of_one_session_is_worth_nothing_in_another(person, outbox, no_cooldown):
    """R-028: relay."""
    person.give_password()
    thief = Person().give_password()

    thief.give_code(code_in(outbox[0]))

    assert thief.signed_in_as is None
    assert person.give_code(code_in(outbox[0])).answer.url == PROFILE


def test_who_has_the_password_but_no_phone_gets_five_guesses_a_code(person, outbox, no_cooldown):
    """V22."""
    person.give_password()
    for _ in range(6):
        person.give_code(wrong(code_in(outbox[0])))

    person.give_code(code_in(outbox[0])).follow()

    assert "Too many wrong codes" in person.text
    assert person.signed_in_as is None


def test_guesses_are_counted_across_codes(person, outbox, configure):
    """V22, R-014."""
    configure(MAX_FAILURES=3, RESEND_COOLDOWN=0, LIMITS=[])
    person.give_password()
    for _ in range(3):
        person.give_code(wrong(code_in(outbox[0])))

    person.give_password()

    assert person.answer.status_code == 200
    assert len(outbox) == 1
    assert person.page.find(role="alert").get_text().strip()


def test_an_expired_code_offers_a_new_one_and_the_password_is_not_asked_again(person, outbox, no_cooldown):
    """R-132."""
    person.give_password(next="/settings/")
    expire()
    assert "The code has expired." in person.look(SECOND_URL).text

    person.resend()

    assert person.give_code(code_in(outbox[1])).answer.url == "/settings/"


def test_a_resend_sends_the_same_code(person, outbox, no_cooldown):
    person.give_password()

    person.resend().follow()

    assert "on its way once more" in person.text
    assert code_in(outbox[0]) == code_in(outbox[1])


def test_the_password_given_twice_leads_to_the_code_that_is_on_its_way(person, outbox):
    person.give_password()

    person.give_password(next="/settings/")

    assert person.answer.url == SECOND_URL
    assert len(outbox) == 1
    assert person.give_code(code_in(outbox[0])).answer.url == "/settings/"


def test_another_users_code_that_is_on_its_way_is_no_way_in(person, outbox, django_user_model):
    django_user_model.objects.create_user("ben", password="a password", phone_number=OTHER)
    person.give_password()
    person.give_password("ben")
    assert [sms.to for sms in outbox] == [NUMBER, OTHER]

    person.give_password("asha")  # too soon for her number, and ben's code is under way

    assert person.answer.status_code == 200
    assert "A code was sent a moment ago." in person.text
    person.give_code(code_in(outbox[1]))
    assert person.follow().answer.content == b"ben"


def test_a_send_that_fails_is_told_and_the_password_is_not_asked_again(person, outbox, configure):
    configure(BACKEND="tests.playing.Refusing", RESEND_COOLDOWN=0)
    person.give_password().follow()
    assert "The code could not be sent to this number." in person.text
    assert "on its way" not in person.text
    configure(BACKEND="django_kaleyra_otp.backends.locmem.LocMemBackend")

    person.resend()

    assert person.give_code(code_in(outbox[0])).answer.url == PROFILE


def test_a_resend_that_fails_is_told(person, outbox, configure):
    configure(RESEND_COOLDOWN=0)
    person.give_password()
    configure(BACKEND="tests.playing.Refusing")

    person.resend().follow()

    assert "The code could not be sent to this number." in person.text


def test_the_kill_switch_is_told_at_the_password(person, configure):
    configure(SENDING=False)

    person.give_password()

    assert "Codes cannot be sent at the moment." in person.text
    assert pending_of(person) is None


def test_a_session_of_somebody_else_is_flushed_by_the_sign_in(person, outbox, django_user_model):
    person.client.force_login(django_user_model.objects.create_user("ben"))
    session = person.client.session
    session["bens"] = "cart"
    session.save()
    person.give_password()
    assert person.look(PROFILE).answer.content == b"ben"

    person.give_code(code_in(outbox[0])).follow()

    assert person.answer.content == b"asha"
    assert "bens" not in person.client.session


def test_next_leads_on_and_to_no_other_host(person, outbox, no_cooldown):
    person.look(f"{PASSWORD_URL}?next=/settings/")
    assert person.page.find("input", {"name": "next"})["value"] == "/settings/"
    person.give_password(next="https://evil.example/").give_code(code_in(outbox[0]))

    assert person.answer.url == PROFILE


def test_who_is_signed_in_may_be_led_past_the_pages(person, user):
    person.client.force_login(user)

    assert person.look("/accounts/returning/?next=/settings/").answer.url == "/settings/"
    assert person.look("/accounts/returning/?step=code").answer.url == PROFILE
    assert person.look(PASSWORD_URL).answer.status_code == 200


def test_nothing_but_a_post_sends(person, outbox):
    """S2."""
    person.give_password()

    for _ in range(2):
        person.look(SECOND_URL)
        person.look(PASSWORD_URL)
        person.client.head(SECOND_URL)

    assert len(outbox) == 1
    assert person.page.find("a", string="I have a code already")["href"] == SECOND_URL


def test_a_post_without_a_csrf_token_does_nothing(user, outbox, settings):
    """R-036."""
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "Csrf" not in name]

    assert Person(enforce_csrf_checks=True).give_password().answer.status_code == 403
    assert not outbox


def test_the_pages_stand_outside_the_login_wall_and_every_cache(person, outbox, settings):
    """W17, R-037."""
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.contrib.auth.middleware.LoginRequiredMiddleware"]
    assert person.look(PASSWORD_URL).answer.status_code == 200
    assert "no-store" in person.answer.headers["Cache-Control"]
    person.give_password().follow()
    assert "no-store" in person.answer.headers["Cache-Control"]

    assert person.give_code(code_in(outbox[0])).follow().answer.content == b"asha"


def test_a_purpose_that_http_clients_may_use_is_no_second_factor(person, configure):
    """V28, V31."""
    configure(PURPOSES={"second_factor": {"API": True}})

    with pytest.raises(ImproperlyConfigured, match="second_factor"):
        person.give_password()

    assert person.signed_in_as is None


def test_signed_cookie_sessions_will_do(person, outbox, settings):
    """R-028."""
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    person.give_password().follow()

    assert person.give_code(code_in(outbox[0])).follow().answer.content == b"asha"


def test_a_setting_that_leads_nowhere_is_not_the_users_fault(person, configure):
    configure(USER_PHONE="phone_nummber")

    with pytest.raises(ImproperlyConfigured, match="USER_PHONE"):
        person.give_password()
