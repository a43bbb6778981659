import pytest

from django_kaleyra_otp.kaleyra import statuses
from django_kaleyra_otp.kaleyra.errors import CATALOGUE, ErrorClass, classify, explain
from django_kaleyra_otp.kaleyra.statuses import Status

SPELLED = {
    Status.SUBMITTED: ["SUBMITTED", "Submitted", "ENROUTE", "AWAITED-DLR"],
    Status.SENT: ["SENT", "Sent", "SENT - NO DLR", "SENT - No DLR", "NO-DLR-OPTR"],
    Status.DELIVERED: [
        "DELIVRD",
        "DELIVERED",
        "Delivered",
        "delivered",
        " DELIVRD\n",
        "“DELIVRD”",
        "DELIVRD\u200b",
    ],
    Status.UNDELIVERED: ["UNDELIVERED", "UnDelivered", "Undelivered", "UNDELIV"],
    Status.FAILED: ["FAILED", "Failed"],
    Status.EXPIRED: ["EXPIRED", "expired"],
    Status.REJECTED: ["NOT-SENT", "NotSent", "Not Sent", "not_sent", "NOT–SENT", "REJECTED"],
}


@pytest.mark.parametrize(
    ("status", "word"), [(status, word) for status in SPELLED for word in SPELLED[status]]
)
def test_a_status_is_read_in_each_of_its_spellings(status, word):
    assert statuses.read(word) is status


def test_the_words_of_every_status_are_lower_case():
    assert [status.value for status in Status] == [
        "submitted",
        "sent",
        "delivered",
        "undelivered",
        "failed",
        "expired",
        "rejected",
    ]


@pytest.mark.parametrize(
    "word",
    [
        "",
        "-",
        "READ",
        "<status>",
        "<script>alert(1)</script>",
        "DELIVRD" + " " * 60,
        "ＤＥＬＩＶＲＤ",
        "🙂",
        "\ud800",
    ],
)
def test_a_word_that_is_not_known_moves_nothing(word):
    """R-098."""
    assert statuses.read(word) is None
    assert statuses.trace(word) is None


@pytest.mark.parametrize(
    ("word", "fault"),
    [
        ("NO-CREDITS", ErrorClass.BALANCE),
        ("KLR-INV-NUMBER", ErrorClass.RECIPIENT),
        ("INVALID-SUB", ErrorClass.RECIPIENT),
        ("ABSENT-SUB", ErrorClass.HANDSET),
        ("MEMEXEC", ErrorClass.HANDSET),
        ("MEM-EXEC", ErrorClass.HANDSET),
        ("FAILED", ErrorClass.HANDSET),
        ("DNDNUMB", ErrorClass.PREFERENCE),
        ("dnd-numb", ErrorClass.PREFERENCE),
        ("Opt Out", ErrorClass.PREFERENCE),
        ("TEMPLATE-NOT-FOUND", ErrorClass.DLT),
        ("INV-TEMPLATE-MATCH", ErrorClass.DLT),
        ("SENDER-ID-NOT-FOUND", ErrorClass.CONFIGURATION),
        ("NOTALLOWED", ErrorClass.CONFIGURATION),
        ("KYC-NOT-APPROVED", ErrorClass.CONFIGURATION),
        ("SERVER-ERR", ErrorClass.VENDOR),
        ("TIME-OUT-PROM", ErrorClass.CONFIGURATION),
    ],
)
def test_a_trace_says_whose_fault_it_is(word, fault):
    assert statuses.trace(word).fault is fault


def test_every_trace_is_a_sentence_with_its_source_and_found_by_one_name_only():
    assert len(statuses.TRACES) == len(statuses.ENTRIES)
    for entry in statuses.ENTRIES:
        assert entry.meaning.endswith(".")
        assert entry.meaning[0].isupper()
        assert entry.source
        assert statuses.trace(entry.code) is entry


def test_delivered_and_sent_are_no_reasons():
    assert statuses.trace("DELIVRD") is None
    assert statuses.trace("SENT") is None


@pytest.mark.parametrize(
    ("code", "http_status", "parameter", "expected"),
    [
        ("RBC001", 401, "error", "configuration"),
        ("", 401, "", "configuration"),
        ("", 403, "", "configuration"),
        ("E110", 400, "", "balance"),
        ("e110", 202, "", "balance"),
        ("", 402, "", "balance"),
        ("", 429, "to", "vendor"),
        ("", 500, "to", "vendor"),
        ("", 503, "", "vendor"),
        ("E404", 400, "time", "caller"),
        ("X601", 400, "to", "recipient"),
        ("X604", 400, "template_id", "dlt"),
        ("X602", 400, "sender", "configuration"),
        ("X605", 400, "callback_profile_id", "configuration"),
        ("X603", 400, "body", "configuration"),
        ("X402", 400, "type", "configuration"),
        ("", 400, "unheard_of", "configuration"),
        ("", 302, "", "configuration"),
        ("", None, "", "network"),
    ],
)
def test_a_failure_is_somebodys_fault(code, http_status, parameter, expected):
    """R-084."""
    assert classify(code, http_status, parameter) == expected


def test_a_known_code_is_explained_and_an_unknown_one_is_not():
    assert explain(" rbc001 ").error_class is ErrorClass.CONFIGURATION
    assert explain("E999") is None
    assert explain("") is None


def test_every_code_says_what_it_means_and_what_mends_it():
    for entry in CATALOGUE.values():
        assert entry.meaning.endswith(".")
        assert entry.mend.endswith(".")
        assert entry.source
