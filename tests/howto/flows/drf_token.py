from conftest import NUMBER
from rest_framework.test import APIClient


def test_a_proof_becomes_a_token_that_opens_the_api(asha, prove, post):
    answer = post("/api/sign-in/", token=prove("login"))

    assert answer.status_code == 200
    with_token = APIClient(headers={"Authorization": f"Token {answer.json()['token']}"})
    assert with_token.get("/me/").json() == {"me": "asha"}
    assert APIClient().get("/me/").status_code == 401


def test_a_proof_is_good_once(asha, prove, post):
    token = prove("login")
    post("/api/sign-in/", token=token)

    assert post("/api/sign-in/", token=token).status_code == 403


def test_a_proof_for_something_else_signs_nobody_in(asha, prove, post):
    assert post("/api/sign-in/", token=prove("verify")).status_code == 403


def test_what_is_no_proof_is_refused_as_a_number_without_an_account_is(prove, post):
    refusals = [post("/api/sign-in/", token=token) for token in (prove("login"), "x", 5, None)]
    refusals.append(post("/api/sign-in/"))

    assert {(answer.status_code, answer.content) for answer in refusals} == {(403, refusals[0].content)}


def test_staff_are_refused(asha, prove, post):
    asha.is_staff = True
    asha.save()

    assert post("/api/sign-in/", token=prove("login")).status_code == 403


def test_the_number_that_counts_is_the_proven_one(asha, prove, post):
    answer = post("/api/sign-in/", token=prove("login", "+971501234568"), phone_number=NUMBER)

    assert answer.status_code == 403
