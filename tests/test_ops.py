"""What the operations pages name is there: metrics, events, alarms, findings, commands, anchors."""

from __future__ import annotations

import ast
import importlib
import json
import logging
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from django.core.management import get_commands

import django_kaleyra_otp
from django_kaleyra_otp.events import EVENTS
from django_kaleyra_otp.models import AlarmKind, DeliveryStatus

ROOT = Path(__file__).parents[1]
OPS = ROOT / "docs" / "ops"
#: The package that is tested, which may be an installed one.
PACKAGE = Path(django_kaleyra_otp.__file__).parent
RUNBOOK = (OPS / "runbook.rst").read_text()
RULE_TESTS = ROOT / "tests" / "contrib" / "prometheus" / "alerts_test.yml"

#: What the samples of each kind of metric are called, and which labels they bring.
SAMPLES = {
    "Counter": ["_total"],
    "CounterMetricFamily": ["_total"],
    "Gauge": [""],
    "GaugeMetricFamily": [""],
    "Histogram": ["_bucket", "_count", "_sum"],
}


def metrics():
    """Return each sample's name with its labels, as the source has them; nothing is imported."""
    found = {}
    source = ast.parse((PACKAGE / "contrib" / "prometheus" / "metrics.py").read_text())
    for call in ast.walk(source):
        kind = call.func.id if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) else ""
        if kind in SAMPLES:
            given = [*call.args[2:], *(word.value for word in call.keywords if word.arg == "labels")]
            labels = next((ast.literal_eval(each) for each in given if isinstance(each, ast.List)), [])
            more = ["le"] if kind == "Histogram" else []
            found |= {f"{call.args[0].value}{end}": {*labels, *more} for end in SAMPLES[kind]}
    return found


def dashboard():
    return json.loads((OPS / "grafana.json").read_text())


def panels():
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def rules():
    return [
        rule
        for group in yaml.safe_load((OPS / "alerts.yml").read_text())["groups"]
        for rule in group["rules"]
    ]


EXPRESSIONS = [
    *(target["expr"] for panel in panels() for target in panel["targets"]),
    *(rule["expr"] for rule in rules()),
]


def test_the_metrics_are_read_from_the_source():
    """So that the tests below cannot pass for want of any."""
    assert metrics()["kaleyra_otp_sms_total"] == {"route", "country", "status"}
    assert metrics()["kaleyra_otp_delivery_seconds_bucket"] == {"route", "country", "le"}
    assert metrics()["kaleyra_otp_alarms_standing"] == {"kind"}


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_dashboard_and_rules_ask_for_metrics_and_labels_that_there_are(expression):
    known, named = metrics(), set(re.findall(r"kaleyra_otp_\w+", expression))

    assert named
    assert named <= set(known)
    for name, chosen in re.findall(r"(kaleyra_otp_\w+)\{([^}]*)\}", expression):
        assert set(re.findall(r"(\w+)=", chosen)) <= known[name]
    for grouped in re.findall(r"by \(([^)]*)\)", expression):
        assert set(grouped.split(", ")) <= set.union(*(known[name] for name in named))


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_dashboard_and_rules_name_words_that_there_are(expression):
    words = {
        "event": set(EVENTS),
        "kind": set(AlarmKind.values),
        "status": {*DeliveryStatus.values, "max_attempts_reached"},
        "outcome": {"failure", "unknown"},
    }
    for label, _, given in re.findall(r'(\w+)=(~?)"([^"$]+)"', expression):
        for one in given.split("|"):
            assert any(re.fullmatch(one, word) for word in words[label])


def test_each_metric_is_on_its_page():
    page = (ROOT / "docs" / "howto" / "prometheus.rst").read_text()

    for name in metrics():
        assert f"``{re.sub('_(total|bucket|count|sum)$', '', name)}``" in page


def test_the_dashboard_can_be_imported():
    board = dashboard()
    ids = [panel["id"] for panel in board["panels"]]

    assert board["id"] is None
    assert board["schemaVersion"] >= 39
    assert len(ids) == len(set(ids))
    variables = {each["name"]: each for each in board["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    for panel in panels():
        assert panel["datasource"]["uid"] == "${datasource}"
        assert panel["description"]
        refs = [target["refId"] for target in panel["targets"]]
        assert len(refs) == len(set(refs))
        for target in panel["targets"]:
            assert target["datasource"]["uid"] == "${datasource}"
            assert set(re.findall(r"\$(\w+)", target["expr"])) <= {*variables, "__rate_interval", "__range"}


def test_no_panel_of_the_dashboard_covers_another():
    covered = set()
    for panel in dashboard()["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert max(x for x, _ in cells) < 24
        assert not cells & covered
        covered |= cells


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_each_alert_says_what_it_means_and_where_the_run_book_has_it(rule):
    assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert rule["annotations"]["summary"].endswith(".")
    page, _, anchor = rule["annotations"]["runbook_url"].partition("#")
    assert page.endswith("/ops/runbook.html")
    assert f".. _{anchor}:\n" in RUNBOOK


def test_the_names_of_alerts_are_their_own():
    names = [rule["alert"] for rule in rules()]

    assert len(names) == len(set(names))


@pytest.fixture(scope="module")
def promtool():
    """Prometheus's own tool, by ``PROMTOOL`` or on the PATH."""
    tool = os.environ.get("PROMTOOL") or shutil.which("promtool")
    if not tool:
        pytest.skip("there is no promtool")
    return lambda *told: subprocess.run(
        [tool, *map(str, told)], check=False, capture_output=True, text=True, timeout=300
    )


def test_prometheus_takes_the_rules(promtool):
    checked = promtool("check", "rules", OPS / "alerts.yml")

    assert checked.returncode == 0, checked.stderr
    assert f"{len(rules())} rules found" in checked.stdout


def test_in_prometheus_each_alert_fires_when_it_should(promtool):
    tested = promtool("test", "rules", RULE_TESTS)

    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_each_alert_is_seen_to_fire_and_seen_to_be_silent():
    """So that the test above cannot pass for want of one."""
    fired, silent = set(), set()
    for test in yaml.safe_load(RULE_TESTS.read_text())["tests"]:
        for one in test.get("alert_rule_test", []):
            (fired if one["exp_alerts"] else silent).add(one["alertname"])
        for one in test.get("promql_expr_test", []):
            seen = [re.search(r'alertname="(\w+)"', each.get("labels", "")) for each in one["exp_samples"]]
            fired |= {each[1] for each in seen if each}
            if one["expr"].startswith("count_over_time(ALERTS") and not seen:
                silent |= {rule["alert"] for rule in rules()}

    assert fired == silent == {rule["alert"] for rule in rules()}


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_no_alert_needs_a_counter_that_begins_with_its_first_event(rule):
    """Which would show no increase by it: the storm in a country that was never seen would page nobody."""
    counted = set(re.findall(r"increase\((kaleyra_otp_\w+)", rule["expr"]))
    at_0 = {
        "kaleyra_otp_events_total",
        "kaleyra_otp_challenges_failed_total",
        "kaleyra_otp_challenges_started_total",
    }

    assert counted - at_0 <= {"kaleyra_otp_delivery_seconds_count"}  # a share of many, for a ticket


def test_each_alarm_has_an_alert_and_a_section():
    """R-066."""
    for kind in AlarmKind.values:
        assert any(f'kind="{kind}"' in rule["expr"] for rule in rules())
        assert f".. _{kind}:\n\n``{kind}``: " in RUNBOOK


def test_each_event_that_is_an_error_has_a_section():
    for event in EVENTS.values():
        if event.level >= logging.ERROR:
            assert f"``{event.name}``" in RUNBOOK


def findings():
    """Return the names of what the doctor finds, as its source has them."""
    found = set()
    for path in (PACKAGE / "doctor").glob("*.py"):
        room = importlib.import_module(f"django_kaleyra_otp.doctor.{path.stem}".removesuffix(".__init__"))
        for call in ast.walk(ast.parse(path.read_text())):
            if isinstance(call, ast.Call) and getattr(call.func, "id", "") in ("Finding", "clock"):
                name = call.args[0]
                found.add(name.value if isinstance(name, ast.Constant) else getattr(room, name.id, None))
    return found - {None}


def test_each_finding_of_the_doctor_has_a_line():
    table = RUNBOOK.partition("What the doctor finds\n")[2]

    assert {"settings", "account", "callback_profile", "stuck", "database_clock"} < findings()
    assert {name for name in findings() if f"``{name}``" not in table} == set()


@pytest.mark.parametrize("page", sorted(OPS.glob("*.rst")), ids=lambda page: page.stem)
def test_a_page_names_commands_that_there_are(page):
    named = set(re.findall(r"\bkaleyra_otp_\w+", page.read_text())) - set(metrics())
    files = {"kaleyra_otp_alerts", "kaleyra_otp_account_resting"}

    assert {name for name in named - files if name not in get_commands()} == set()


def test_every_page_is_in_the_index():
    index = (OPS / "index.rst").read_text()

    for page in OPS.glob("*.rst"):
        assert page.stem == "index" or f"\n   {page.stem}\n" in index


def test_the_page_of_events_is_made_from_the_code():
    """R-136, R-108."""
    assert ".. kaleyra-events::" in (ROOT / "docs" / "reference" / "events.rst").read_text()
    for event in EVENTS.values():
        assert event.meaning.endswith(".")
        assert event.outcome in ("success", "failure", "refused", "unknown", "")
