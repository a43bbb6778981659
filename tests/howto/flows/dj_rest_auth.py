from rest_framework.test import APIClient


def test_a_proof_signs_in_and_the_token_signs_out(asha, prove, post):
    answer = post("/auth/login/", token=prove("login"))

    assert answer.status_code == 200
    client = APIClient(headers={"Authorization": f"Token {answer.json()['key']}"})
    assert client.get("/auth/user/").json()["username"] == "asha"
    assert client.post("/auth/logout/").status_code == 200
    assert client.get("/auth/user/").status_code == 401


def test_a_sign_in_opens_no_session(asha, prove, post, client):
    post("/auth/login/", token=prove("login"))

    assert "sessionid" not in client.cookies


def test_a_proof_is_good_once_and_for_one_purpose(asha, prove, post):
    token = prove("login")
    post("/auth/login/", token=token)

    assert post("/auth/login/", token=token).status_code == 400
    assert post("/auth/login/", token=prove("verify", "+971501234568")).status_code == 400


def test_a_password_signs_nobody_in(asha, post):
    assert post("/auth/login/", username="asha", password="a password").status_code == 400


def test_nobody_writes_his_number(asha, prove, post):
    key = post("/auth/login/", token=prove("login")).json()["key"]
    client = APIClient(headers={"Authorization": f"Token {key}"})

    client.patch("/auth/user/", {"phone_number": "+971501234568"}, "json")

    asha.refresh_from_db()
    assert asha.phone_number == "+971501234567"
