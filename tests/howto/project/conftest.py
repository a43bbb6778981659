"""What the flows through the recipes share: people, and a number proved over HTTP."""

import pytest

from django_kaleyra_otp.testing import last_code

pytest_plugins = ["django_kaleyra_otp.testing.fixtures"]

NUMBER = "+971501234567"


@pytest.fixture
def asha(db, django_user_model):
    return django_user_model.objects.create_user("asha", password="a password", phone_number=NUMBER)


@pytest.fixture
def prove(client, db):
    """``prove(purpose)``: show over HTTP that NUMBER is one's own, and return the token."""

    def by_code(purpose, phone_number=NUMBER):
        wanted = {"phone_number": phone_number, "purpose": purpose}
        started = client.post("/otp/challenges/", wanted, "application/json")
        assert started.status_code == 201, started.content
        verify = f"/otp/challenges/{started.json()['id']}/verify/"
        answer = client.post(verify, {"code": last_code(phone_number)}, "application/json")
        return answer.json()["token"]

    return by_code


@pytest.fixture
def post(client):
    """``post(path, token=...)``: a JSON object, and the answer."""
    return lambda path, **body: client.post(path, body, "application/json")
