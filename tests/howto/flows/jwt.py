from rest_framework.test import APIClient


def bearer(token):
    return APIClient(headers={"Authorization": f"Bearer {token}"})


def test_a_proof_becomes_a_pair_of_tokens(asha, prove, post):
    pair = post("/api/sign-in/", token=prove("login")).json()

    assert bearer(pair["access"]).get("/me/").json() == {"me": "asha"}
    again = post("/api/refresh/", refresh=pair["refresh"])
    assert bearer(again.json()["access"]).get("/me/").json() == {"me": "asha"}


def test_a_proof_is_good_once(asha, prove, post):
    token = prove("login")
    post("/api/sign-in/", token=token)

    assert post("/api/sign-in/", token=token).status_code == 403


def test_a_proof_for_something_else_signs_nobody_in(asha, prove, post):
    assert post("/api/sign-in/", token=prove("verify")).status_code == 403
    assert post("/api/sign-in/").status_code == 403


def test_a_password_gets_no_tokens(asha, post):
    answer = post("/api/sign-in/", username="asha", password="a password")

    assert answer.status_code == 403
