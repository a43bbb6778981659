"""The code of each recipe, run in a project that is not ours, and driven over HTTP."""

from __future__ import annotations

import importlib.util
import shutil

import pytest

from tests.e2e.browser import NEEDS_CHROMIUM
from tests.howto.pages import HERE, files, make_project, pytest_in

#: What a page needs besides, to be run: a URL that only its users may see, the page of an app.
ME = """
from rest_framework.decorators import api_view as _api_view
from rest_framework.response import Response as _Response

me = _api_view(["GET"])(lambda request: _Response({"me": request.user.get_username()}))
urlpatterns += [path("me/", me)]
"""
PAGES = '\nurlpatterns += [path("login/", include("django_kaleyra_otp.login.urls"))]\n'


def needs(package: str) -> pytest.MarkDecorator:
    missing = importlib.util.find_spec(package) is None
    return pytest.mark.skipif(missing, reason=f"{package} is not installed")


@pytest.fixture
def run(tmp_path):
    """``run(page, flow)``: make a project of a page, with more of its URLs, and drive it."""

    def through(page: str, *, flow: str = "", urls: str = "", also: str = "") -> None:
        project = make_project(tmp_path, page)
        for name, code in files(also).items() if also else ():
            with (project / "shop" / name).open("a") as file:
                file.write(f"\n\n{code}")
        with (project / "shop" / "urls.py").open("a") as file:
            file.write(urls)
        if script := files(page).get("static/app.js"):
            (project / "shop" / "templates").mkdir()
            (project / "shop" / "templates" / "app.html").write_text(f"<script>{script}</script>")
        shutil.copy(HERE / "flows" / f"{flow or page.replace('-', '_')}.py", project / "test_flow.py")

        ended = pytest_in(project)

        assert ended.returncode == 0, ended.stdout + ended.stderr
        assert "skipped" not in ended.stdout, ended.stdout

    return through


def test_a_token_of_drf(run):
    """R-022: the proof is redeemed once, and for its purpose alone."""
    run("drf-token", urls=ME)


@needs("rest_framework_simplejwt")
def test_a_json_web_token(run):
    run("jwt", urls=ME)


@needs("dj_rest_auth")
def test_dj_rest_auth(run):
    run("dj-rest-auth")


def test_a_user_model_of_ones_own(run):
    run("custom-user", urls=PAGES)


def test_a_single_page_app(run):
    run("single-page-app")


@pytest.mark.parametrize("flow", [pytest.param("single_page_app_in_a_browser", marks=NEEDS_CHROMIUM)])
def test_the_script_of_a_single_page_app(run, flow):
    run("single-page-app", flow=flow)


def test_a_mobile_app(run):
    run("mobile-app", also="drf-token")


def test_a_payment(run):
    """R-027: amount and payee are shown, and the code is good for them alone."""
    run("payment")


def test_an_admin_behind_a_second_step(run):
    """V28, V29: no page opens before the code, and the phone alone is no second factor."""
    run("admin")
