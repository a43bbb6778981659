"""Views that want a code first: ``code_required`` and ``CodeRequiredMixin``."""

import pytest
from django.contrib.auth import get_user_model, update_session_auth_hash
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpResponse

from django_kaleyra_otp import challenges
from django_kaleyra_otp.login import stamps
from django_kaleyra_otp.login.decorators import code_required
from django_kaleyra_otp.models import OTPChallenge
from tests.conftest import NUMBER, OTHER, code_in, wrong
from tests.guarded import DONE, SETTINGS_URL, Customer, age_of_stamps, open_shop
from tests.visitor import PROFILE, Visitor, expire, the_challenge

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.guarded")]


@pytest.fixture(autouse=True)
def shop(configure):
    open_shop(configure)


@pytest.fixture
def customer(user):
    customer = Customer()
    customer.client.force_login(user)
    return customer


# There and back


@pytest.mark.parametrize(
    "url", ["/settings/?tab=phone", "/settings/class/?tab=phone", "/settings/class/async/?tab=phone"]
)
def test_a_code_opens_the_view_and_leads_back_to_it(url, customer, outbox):
    customer.look(url)
    assert customer.answer.url.startswith("/login/confirm/?for=")
    customer.follow()
    assert "we text a code to +91••••••3210" in customer.text
    assert not outbox
    customer.send()
    assert "step=code" in customer.answer.url
    customer.follow()
    assert "is on its way to +91••••••3210" in customer.text

    customer.give_code(code_in(outbox[0]))

    assert (customer.answer.status_code, customer.answer.url) == (302, url)
    assert customer.follow().answer.content == b"GET by asha"
    assert customer.client.post(url).content == b"POST by asha"
    assert customer.client.post(url).content == b"POST by asha"
    assert len(outbox) == 1


def test_who_is_not_signed_in_is_sent_to_sign_in(user, settings):
    settings.LOGIN_URL = "/accounts/login/"

    assert Visitor().look(SETTINGS_URL).answer.url == "/accounts/login/?next=/settings/"
    assert Visitor().look("/login/confirm/?for=x&next=/settings/").answer.url == (
        "/accounts/login/?next=/settings/"
    )


def test_a_post_without_a_stamp_does_nothing_and_comes_back_as_a_get(customer, outbox):
    customer.answer = customer.client.post(SETTINGS_URL, {"x": "1"})
    customer.follow().send().follow()

    customer.give_code(code_in(outbox[0]))

    assert customer.answer.url == SETTINGS_URL
    assert not DONE


def test_nothing_but_the_button_sends(customer, outbox):
    """S2."""
    customer.look(SETTINGS_URL)
    for _ in range(3):
        customer.client.get(customer.answer.url)
        customer.client.head(customer.answer.url)
        customer.client.post(SETTINGS_URL)

    assert not outbox


def test_the_page_asked_for_nothing_leads_to_where_it_was_going(customer):
    assert customer.look("/login/confirm/").answer.url == PROFILE
    assert customer.look("/login/confirm/?for=x&next=/settings/").answer.url == SETTINGS_URL
    assert customer.look("/login/confirm/?for=x&next=//evil.example/").answer.url == PROFILE


def test_next_leads_to_no_other_host(customer, outbox):
    address = customer.look(SETTINGS_URL).answer.url.replace("%2Fsettings%2F", "https://evil.example/")
    assert "evil" in address
    customer.look(address).send().follow()

    customer.give_code(code_in(outbox[0]))

    assert customer.answer.url == PROFILE


def test_who_gave_the_code_already_is_led_on(customer, outbox):
    address = customer.look(SETTINGS_URL).answer.url
    customer.confirm(SETTINGS_URL, outbox)

    assert customer.look(address).answer.url == SETTINGS_URL
    assert customer.look(address.replace("?", "?step=code&")).answer.status_code == 302
    assert len(outbox) == 1


def test_a_code_that_is_under_way_is_found_again(customer, outbox):
    customer.ask_for_code(SETTINGS_URL)

    customer.look(SETTINGS_URL).follow()
    link = customer.page.find("a", string="I have a code already")["href"]
    customer.look(link).give_code(code_in(outbox[0]))

    assert customer.answer.url == SETTINGS_URL
    assert len(outbox) == 1


def test_the_button_pressed_twice_leads_to_the_code_that_is_on_its_way(customer, outbox, configure):
    configure(RESEND_COOLDOWN=30)
    customer.look(SETTINGS_URL).follow().send()
    customer.look(SETTINGS_URL).follow().send()

    assert "step=code" in customer.answer.url
    assert len(outbox) == 1


def test_a_refusal_is_told_where_the_button_is(customer, configure, outbox):
    configure(SENDING=False)
    customer.look(SETTINGS_URL).follow().send()

    assert customer.answer.status_code == 200
    assert "Codes cannot be sent at the moment." in customer.page.find(role="alert").get_text()


def test_an_expired_code_offers_a_new_one(customer, outbox):
    """R-132."""
    customer.ask_for_code(SETTINGS_URL)
    expire()
    customer.look(customer.url)
    assert "The code has expired." in customer.text
    customer.answer = customer.client.post(customer.url, {"resend": "1"})

    customer.follow().give_code(code_in(outbox[1]))

    assert customer.answer.url == SETTINGS_URL


# What a stamp is good for


def test_a_wrong_code_opens_nothing(customer, outbox):
    customer.ask_for_code(SETTINGS_URL)

    customer.give_code(wrong(code_in(outbox[0])))

    assert "step=code" in customer.answer.url
    assert customer.client.get(SETTINGS_URL).status_code == 302


def test_the_stamp_of_one_purpose_is_no_good_for_another(customer, outbox):
    """R-029, V31."""
    customer.confirm(SETTINGS_URL, outbox)

    assert customer.client.get("/transfer/").status_code == 302
    customer.confirm("/transfer/", outbox)
    assert customer.follow().answer.content == b"GET by asha"


def test_a_verified_challenge_of_another_purpose_is_no_good(customer, outbox):
    """V14, V28: nor one of another session."""
    for purpose in ("verify", "login", "transfer", "step_up"):
        started = challenges.start(NUMBER, purpose=purpose, user=customer_user(), known=True)
        assert challenges.verify(started.pk, code_in(outbox[-1]), purpose=purpose).ok

    assert customer.client.get(SETTINGS_URL).status_code == 302
    customer.ask_for_code(SETTINGS_URL)
    customer.give_code(code_in(outbox[-2]))
    assert customer.client.get(SETTINGS_URL).status_code == 302


def customer_user():
    return get_user_model().objects.get(username="asha")


def test_an_old_stamp_asks_again(customer, outbox):
    customer.confirm(SETTINGS_URL, outbox)
    age_of_stamps(customer, 299)
    assert customer.client.get(SETTINGS_URL).status_code == 200

    age_of_stamps(customer, 2)

    assert customer.client.get(SETTINGS_URL).status_code == 302
    customer.confirm(SETTINGS_URL, outbox)
    assert customer.follow().answer.content == b"GET by asha"


def test_each_view_has_its_own_age(customer, outbox):
    customer.confirm("/transfer/", outbox)
    age_of_stamps(customer, 121)

    assert customer.client.get("/transfer/").status_code == 302


def test_a_change_of_password_ends_the_stamp(customer, outbox, rf):
    customer.confirm(SETTINGS_URL, outbox)
    user = customer_user()
    user.set_password("another password")
    user.save()
    request = rf.get("/")
    request.session, request.user = customer.client.session, user
    update_session_auth_hash(request, user)
    request.session.save()
    customer.client.cookies["sessionid"] = request.session.session_key

    assert customer.look(PROFILE).answer.content == b"asha"
    assert customer.client.get(SETTINGS_URL).status_code == 302
    assert "/login/confirm/" in customer.client.get(SETTINGS_URL).url


@pytest.mark.parametrize("number", [OTHER, ""])
def test_a_change_of_number_ends_the_stamp(number, customer, outbox):
    """R-026: who holds the old phone proves nothing any more."""
    customer.confirm(SETTINGS_URL, outbox)

    get_user_model().objects.update(phone_number=number)

    assert customer.client.get(SETTINGS_URL).status_code == 302


def test_the_stamp_is_gone_with_the_session(customer, outbox, user):
    customer.confirm(SETTINGS_URL, outbox)
    customer.client.logout()
    customer.client.force_login(user)

    assert customer.client.get(SETTINGS_URL).status_code == 302


def test_the_stamp_of_another_user_is_no_good(customer, user, outbox, django_user_model):
    """V14: not even where their session auth hashes are the same."""
    customer.confirm(SETTINGS_URL, outbox)
    kept = customer.client.session[stamps.SESSION_KEY]
    other = Customer()
    ben = django_user_model.objects.create(username="ben", phone_number=OTHER, password=user.password)
    assert ben.get_session_auth_hash() == user.get_session_auth_hash()
    other.client.force_login(ben)
    session = other.client.session
    session[stamps.SESSION_KEY] = kept
    session.save()

    assert other.client.get(SETTINGS_URL).status_code == 302


def test_the_code_of_another_session_is_no_good(customer, outbox, user):
    """R-028."""
    other = Customer()
    other.client.force_login(user)
    customer.ask_for_code(SETTINGS_URL)
    other.ask_for_code(SETTINGS_URL)

    other.give_code(code_in(outbox[0]))

    assert other.client.get(SETTINGS_URL).status_code == 302


def test_a_number_that_changes_meanwhile_gets_a_code_of_its_own(customer, outbox):
    """R-026."""
    customer.ask_for_code(SETTINGS_URL)
    get_user_model().objects.update(phone_number=OTHER)

    customer.give_code(code_in(outbox[0]))

    assert "step=code" not in customer.answer.url
    assert "1234" in customer.follow().text
    assert customer.client.get(SETTINGS_URL).status_code == 302


def test_who_has_no_number_is_refused(customer):
    get_user_model().objects.update(phone_number="")

    customer.look(SETTINGS_URL).follow()

    assert customer.answer.status_code == 403
    assert "No mobile number" in customer.text


def test_the_caller_is_known(customer, user, outbox):
    """R-021."""
    customer.ask_for_code(SETTINGS_URL)

    challenge = the_challenge()
    assert (challenge.known, challenge.user, challenge.purpose) == (True, user, "step_up")


@pytest.mark.parametrize("purposes", [{}, {"payment": {"API": True}, "transfer": {"API": True}}])
def test_a_purpose_that_is_unknown_or_open_to_http_guards_nothing(purposes, customer, configure):
    """V28, V31: and lets nobody in."""
    configure(PURPOSES=purposes, MESSAGES=[{"BODY": "{code}"}])

    with pytest.raises(ImproperlyConfigured, match="transfer"):
        customer.look("/transfer/")


# The second factor


def test_a_phone_login_is_no_second_factor_of_itself(user, outbox):
    """V28."""
    customer = Customer()
    customer.answer = customer.client.post("/login/", {"phone_number": NUMBER})
    customer.client.post("/login/?step=code", {"code": code_in(outbox[0])})
    assert customer.look(PROFILE).answer.content == b"asha"

    customer.look("/vault/").follow()

    assert customer.answer.status_code == 403
    assert "Sign in with your password" in customer.text
    customer.answer = customer.client.post(customer.url)
    assert customer.answer.status_code == 403
    assert len(outbox) == 1


def test_two_steps_at_the_sign_in_are_the_second_factor(user, outbox):
    customer = Customer()
    customer.client.post("/accounts/login/", {"username": "asha", "password": "a password"})
    customer.client.post("/accounts/login/?step=code", {"code": code_in(outbox[0])})

    assert customer.look("/vault/").answer.content == b"GET by asha"
    assert customer.client.get(SETTINGS_URL).status_code == 302


def test_who_signed_in_by_password_alone_gives_the_second_factor_later(user, outbox):
    customer = Customer()
    customer.client.post("/accounts/staff/", {"username": "asha", "password": "a password"})

    customer.confirm("/vault/", outbox)

    assert customer.follow().answer.content == b"GET by asha"


def test_neither_code_nor_number_stands_in_the_session(customer, outbox):
    customer.confirm(SETTINGS_URL, outbox)
    customer.ask_for_code("/transfer/")

    kept = repr(dict(customer.client.session))

    assert NUMBER[3:] not in kept
    for sms, challenge in zip(outbox, OTPChallenge.objects.order_by("created_at"), strict=True):
        assert code_in(sms) not in kept
        assert challenge.pk.hex not in kept


# Other people's middleware


def test_a_guarded_view_stands_inside_the_login_wall(customer, settings, outbox):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.contrib.auth.middleware.LoginRequiredMiddleware"]

    assert customer.confirm(SETTINGS_URL, outbox).follow().answer.content == b"GET by asha"


def test_the_decorator_keeps_name_and_docstring():
    @code_required()
    def page(request):
        """What it is."""
        return HttpResponse()

    assert (page.__name__, page.__doc__) == ("page", "What it is.")


def test_the_decorator_without_its_parentheses_says_so():
    with pytest.raises(TypeError, match="parentheses"):
        code_required(lambda request: HttpResponse())


def test_the_pages_are_kept_by_no_cache(customer):
    """R-037."""
    customer.look(SETTINGS_URL).follow()

    assert "no-store" in customer.answer.headers["Cache-Control"]
