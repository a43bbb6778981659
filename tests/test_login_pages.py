"""How the sign-in pages are made, and what stands around them."""

import re
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from django.conf import settings as django_settings
from django.db import OperationalError, connection
from django.template.loader import get_template
from django.test import Client
from django.urls import resolve
from django.utils import translation

import django_kaleyra_otp
from django_kaleyra_otp.login.forms import CodeForm, PhoneNumberForm
from django_kaleyra_otp.login.views import PhoneLoginView, StepUpView, TwoStepLoginView
from tests.conftest import NUMBER, code_in, wrong
from tests.visitor import (
    CODE_URL,
    PROFILE,
    URL,
    Visitor,
    expire,
)

pytestmark = [pytest.mark.django_db]


@pytest.fixture
def visitor(user):
    return Visitor()


@pytest.fixture(params=["number", "number refused", "code", "code refused", "expired", "waiting"])
def a_page(request, visitor, outbox):
    visitor.look()
    if request.param == "number refused":
        visitor.give_number("nonsense")
    elif request.param != "number":
        visitor.give_number(NUMBER).follow()
    if request.param == "code refused":
        visitor.give_code(wrong(code_in(outbox[0]))).follow()
    if request.param == "expired":
        expire()
        visitor.look(CODE_URL)
    if request.param == "waiting":
        visitor.resend().follow()
    return visitor


def test_a_page_has_nothing_that_a_strict_policy_forbids(a_page):
    html = str(a_page.page)

    assert not re.search(r"\sstyle=|\son[a-z]+=|<style|javascript:", html)
    assert all(
        not script.string and script["src"].startswith("/static/")
        for script in a_page.page.find_all("script")
    )


def test_a_page_is_whole_for_who_does_not_see_it(a_page):
    """R-129, R-131."""
    page = a_page.page
    assert page.html["lang"] == "en-us"
    assert page.html["dir"] == "ltr"
    assert len(page.find_all("h1")) == 1
    for field in page.find_all("input", type=lambda kind: kind != "hidden"):
        assert page.find("label", {"for": field["id"]}).get_text()
        for name in field.get("aria-describedby", "").split():
            assert page.find(id=name).get_text().strip()
    for error in page.select(".error"):
        assert error["role"] == "alert" or error.find_parent(role="alert")
    ids = [tag["id"] for tag in page.find_all(id=True)]
    assert len(ids) == len(set(ids))


def test_a_page_is_kept_by_no_cache(a_page):
    """R-037."""
    assert "no-store" in a_page.answer.headers["Cache-Control"]
    assert "private" in a_page.answer.headers["Cache-Control"]


def test_the_code_field_invites_autofill_and_any_spelling(visitor):
    """R-129, R-130."""
    field = visitor.give_number(NUMBER).follow().page.find("input", {"name": "code"})

    assert field["type"] == "text"
    assert field["inputmode"] == "numeric"
    assert field["autocomplete"] == "one-time-code"
    assert re.fullmatch(field["pattern"], "123 456")
    assert re.fullmatch(field["pattern"], "123-456")
    assert not field.has_attr("maxlength")


def test_the_number_field_invites_autofill(visitor):
    field = visitor.look().page.find("input", {"name": "phone_number"})

    assert (field["type"], field["inputmode"], field["autocomplete"]) == ("tel", "tel", "tel")


def test_a_page_speaks_the_active_language_and_direction(rf, user):
    request = rf.get(URL)
    request.session = Client().session
    with translation.override("ar"):
        answer = PhoneLoginView.as_view()(request).render()

    page = BeautifulSoup(answer.content, "html.parser")
    assert (page.html["lang"], page.html["dir"]) == ("ar", "rtl")


def test_the_text_message_speaks_the_language_of_the_page(visitor, configure, outbox, settings):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.middleware.locale.LocaleMiddleware"]
    configure(MESSAGES=[{"language": "hi", "BODY": "{code} कोड है"}, {"BODY": "{code} is the code"}])

    with translation.override("en-us"):  # the middleware leaves its language to the thread
        visitor.client.post(URL, {"phone_number": NUMBER}, headers={"Accept-Language": "hi"})

    assert "कोड" in outbox[0].body


TEMPLATES = sorted(
    path.name
    for path in Path(django_kaleyra_otp.__file__).parent.glob("templates/kaleyra_otp/login/*.html")
    if path.name not in ("field.html", "details.html")
)


@pytest.mark.parametrize("name", TEMPLATES)
def test_each_block_of_the_templates_is_documented(name):
    documented, template = set(), name
    while template:
        source = get_template(f"kaleyra_otp/login/{template}").template.source
        comment = source.partition("{% comment %}")[2].partition("{% endcomment %}")[0]
        documented |= set(re.findall(r"^  (\w+)  ", comment, re.MULTILINE))
        parent = re.match(r'{% extends "kaleyra_otp/login/(\w+\.html)" %}', source)
        template = parent[1] if parent else None

    own = get_template(f"kaleyra_otp/login/{name}").template.source
    assert set(re.findall(r"{% block (\w+) %}", own)) <= documented
    assert "Context:" in own or "context are those of" in own or name == "base.html"


def test_forms_may_be_used_alone(user):
    assert PhoneNumberForm({"phone_number": "+91 98765 43210"}).is_valid()
    form = CodeForm({"code": "1234 5678"}, code_length=8)
    assert form.is_valid()
    assert "12345678" not in repr(form.cleaned_data)
    assert CodeForm({"code": "123 456"}).is_valid()  # as many digits as CODE_LENGTH says


def test_a_post_without_a_csrf_token_sends_nothing(user, outbox, settings):
    """R-036: also where the project left the middleware out."""
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "Csrf" not in name]
    visitor = Visitor(enforce_csrf_checks=True)

    assert visitor.give_number(NUMBER).answer.status_code == 403

    assert not outbox


def test_the_pages_stand_outside_the_login_wall(visitor, outbox, settings):
    """W17."""
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.contrib.auth.middleware.LoginRequiredMiddleware"]
    assert visitor.look().answer.status_code == 200
    assert visitor.give_number(NUMBER).follow().answer.status_code == 200

    assert visitor.give_code(code_in(outbox[0])).follow().answer.content == b"asha"


class OurLoginView(PhoneLoginView):
    pass


def test_the_pages_are_outside_every_transaction_of_the_request():
    """R-013."""
    for view in (resolve(URL).func, OurLoginView.as_view(), TwoStepLoginView.as_view(), StepUpView.as_view()):
        assert view._non_atomic_requests == set(django_settings.DATABASES)


def test_neither_number_nor_code_stands_in_an_error_report(rf, user):
    request = rf.post(URL, {"phone_number": NUMBER})
    request.session = Client().session
    PhoneLoginView.as_view()(request)

    assert request.sensitive_post_parameters == "__ALL__"


def test_nor_does_it_under_debug(visitor, outbox, settings):
    """R-004."""
    visitor.give_number(NUMBER)
    code = code_in(outbox[0])
    settings.DEBUG = True
    visitor.client.raise_request_exception = False

    def fail(execute, sql, params, many, context):
        if sql.startswith("UPDATE") and "otpchallenge" in sql:
            raise RuntimeError
        return execute(sql, params, many, context)

    with connection.execute_wrapper(fail):
        visitor.give_code(code)

    page = visitor.answer.content.decode()
    assert visitor.answer.status_code == 500
    assert "RuntimeError" in page
    assert code not in page


@pytest.mark.django_db(transaction=True)
def test_a_database_that_is_busy_is_told_and_costs_nothing(visitor, outbox):
    visitor.give_number(NUMBER)
    code = code_in(outbox[0])

    def busy(execute, sql, params, many, context):
        if sql.startswith("UPDATE") and "kaleyra_otp_otpchallenge" in sql:
            raise OperationalError(1213, "Deadlock found")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(busy):
        visitor.give_code(code)

    assert "The service is busy." in visitor.text
    assert visitor.give_code(code).answer.url == PROFILE
