from conftest import NUMBER

from django_kaleyra_otp.models import OTPChallenge


def test_an_android_app_gets_a_text_that_its_phone_hands_over(asha, prove, post, sms_outbox):
    token = prove("android_login")

    first, _, last = sms_outbox[0].body.partition("\n\n")
    assert (first, last) == (f"<#> Your Shop code is {sms_outbox[0].code}.", "FA+9qCX9VSu")
    assert len(sms_outbox[0].body.encode()) <= 140
    assert post("/api/sign-in/", token=token).status_code == 200


def test_an_ios_app_gets_a_text_for_its_own_domain(asha, prove, post, sms_outbox):
    token = prove("login")

    assert sms_outbox[0].body.splitlines()[-1] == f"@example.com #{sms_outbox[0].code}"
    assert post("/api/sign-in/", token=token).status_code == 200


def test_a_proof_for_neither_signs_nobody_in(asha, prove, post):
    assert post("/api/sign-in/", token=prove("verify")).status_code == 403


def test_a_request_that_is_repeated_sends_one_sms(client, db, sms_outbox):
    key = {"Idempotency-Key": "3f1d6c0e-8f1c-4a45-b3ee-6a3ad4f1a1c2"}
    wanted = {"phone_number": NUMBER, "purpose": "android_login"}

    answers = [client.post("/otp/challenges/", wanted, "application/json", headers=key) for _ in range(2)]

    assert answers[0].json()["id"] == answers[1].json()["id"]
    assert (len(sms_outbox), OTPChallenge.objects.count()) == (1, 1)
