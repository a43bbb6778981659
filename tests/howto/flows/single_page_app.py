from django.test import Client


def test_a_proof_opens_a_session(asha, prove, post, client):
    answer = post("/api/sign-in/", token=prove("login"))

    assert answer.json() == {"user": "asha"}
    assert client.session["_auth_user_id"] == str(asha.pk)


def test_a_proof_for_something_else_opens_none(asha, prove, post, client):
    assert post("/api/sign-in/", token=prove("verify")).status_code == 403
    assert post("/api/sign-in/").status_code == 403
    assert "_auth_user_id" not in client.session


def test_a_form_elsewhere_signs_nobody_in(asha, prove):
    """A form can be posted from any page, so that a victim would work in the attacker's account."""
    token, browser = prove("login"), Client(enforce_csrf_checks=True)

    answers = [
        browser.post("/api/sign-in/", {"token": token}),
        browser.post("/api/sign-in/", f'{{"token": "{token}"}}', "text/plain"),
    ]

    assert [answer.status_code for answer in answers] == [415, 415]
    assert "_auth_user_id" not in browser.session


def test_the_page_of_the_app_gives_the_cookie_that_its_calls_need(client, db):
    assert client.get("/").cookies["csrftoken"]
