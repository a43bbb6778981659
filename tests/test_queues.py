"""The queues that DISPATCH has a word for: what each is given, how it fails, what the checks say of it."""

from __future__ import annotations

import importlib
import socket
import subprocess
import sys
import time

import pytest
from django.core import checks
from django.db import transaction

import django_kaleyra_otp.tasks  # noqa: F401 - imported whole, before a test hides what it needs
from django_kaleyra_otp import challenges, delivery
from django_kaleyra_otp.exceptions import DeliveryUnavailable
from django_kaleyra_otp.models import SendLog
from tests.conftest import NUMBER, OTHER
from tests.playing import only, passed

TASK = "django_kaleyra_otp.tasks.deliver"
APPS = ["django.contrib.auth", "django.contrib.contenttypes", "rest_framework", "django_kaleyra_otp"]


def tasks_module():
    """Return the module of Django's tasks, or of their backport, or skip."""
    try:
        return __import__("django.tasks", fromlist=["task"])
    except ImportError:
        return pytest.importorskip("django_tasks", reason="django-tasks is not installed")


@pytest.fixture
def in_a_table(configure, settings):
    """DISPATCH is ``tasks``, whose backend keeps them in the database; returns the rows."""
    tasks_module()
    models = pytest.importorskip("django_tasks_db.models", reason="django-tasks-db is not installed")
    settings.TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}
    configure(DISPATCH="tasks")
    return models.DBTaskResult.objects


@pytest.fixture
def celery(monkeypatch):
    """A project's Celery app, current for the test."""
    package = pytest.importorskip("celery", reason="Celery is not installed")
    before = package.current_app._get_current_object()
    app = package.Celery("tests", set_as_current=True)
    app.conf.broker_url = "memory://"
    yield app
    app.close()
    before.set_current()


def closed_port():
    """Return a port of loopback that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# What the queue is given


@pytest.mark.django_db
def test_a_task_of_django_carries_the_id_and_nothing_else(in_a_table, outbox):
    """R-086."""
    challenge = challenges.start(NUMBER)

    row, send = in_a_table.get(), SendLog.objects.get()
    assert row.args_kwargs == {"args": [send.pk], "kwargs": {}}
    assert (row.task_path, send.status, outbox) == (TASK, "queued", [])
    assert NUMBER[-9:] not in repr(vars(row))
    row.task.call(*row.args_kwargs["args"])
    row.task.call(*row.args_kwargs["args"])
    assert (len(outbox), SendLog.objects.get().status) == (1, "submitted")
    assert challenge.newest_send.pk == send.pk


@pytest.mark.django_db
def test_a_task_of_celery_carries_the_id_and_nothing_else(configure, celery, outbox):
    """R-086."""
    configure(DISPATCH="celery")
    challenges.start(NUMBER)

    with celery.connection_for_read() as connection:
        message = connection.SimpleQueue("celery").get(block=False)
    send = SendLog.objects.get()
    (arguments, keywords, embedded), headers = message.payload, message.headers
    assert (arguments, keywords) == ([send.pk], {})
    assert set(embedded.values()) == {None}
    assert headers["task"] == "django_kaleyra_otp.deliver"
    assert NUMBER[-9:] not in repr([message.body, headers, message.properties])
    task = celery.tasks["django_kaleyra_otp.deliver"]
    task(*arguments)
    task(*arguments)
    assert (len(outbox), SendLog.objects.get().status) == (1, "submitted")


def test_celery_finds_the_task_by_itself_and_acknowledges_it_when_it_is_done(celery):
    celery.autodiscover_tasks(["django_kaleyra_otp"], force=True)

    task = celery.tasks["django_kaleyra_otp.deliver"]
    assert (task.acks_late, task.ignore_result) == (True, True)
    plug = importlib.import_module("django_kaleyra_otp.contrib.celery")
    assert plug.deliver.name == task.name
    assert not getattr(task, "autoretry_for", ())


@pytest.mark.django_db(transaction=True)
def test_a_start_within_a_transaction_is_queued_by_its_commit_alone(in_a_table, outbox):
    """R-056: what is rolled back leaves no task behind."""
    with transaction.atomic():
        challenges.start(NUMBER)
        assert in_a_table.count() == 0
    assert in_a_table.count() == 1

    with transaction.atomic():
        challenges.start(OTHER)
        transaction.set_rollback(True)
    assert in_a_table.count() == 1


# A queue that fails


@pytest.mark.parametrize("scheme", ["amqp", "redis"])
@pytest.mark.django_db
def test_a_broker_that_is_away_is_503_at_once_and_the_money_comes_back(
    api, configure, celery, scheme, outbox, caplog
):
    """R-056: Celery's ``retry=False`` tries to connect for six seconds."""
    pytest.importorskip("redis", reason="redis is not installed")
    celery.conf.broker_url = f"{scheme}://127.0.0.1:{closed_port()}"
    configure(DISPATCH="celery", **only("global", "1/d"))

    began = time.monotonic()
    answer = api.start()
    took = time.monotonic() - began

    assert (answer.status_code, answer.json()["code"]) == (503, "delivery_unavailable")
    assert took < 3
    send = SendLog.objects.get()
    assert (send.status, send.error_code, len(outbox)) == ("failed", "dispatch", 0)
    assert NUMBER[-9:] not in caplog.text
    configure(DISPATCH="inline")
    assert passed([OTHER]) == [True]


TAKEN: list[int] = []


def take_and_break(send_log_id):
    """A broker that takes a task, and whose answer is lost."""
    TAKEN.append(send_log_id)
    raise ConnectionResetError


def work_and_break(send_log_id):
    """As above; and a worker was quicker than the loss."""
    delivery.deliver(send_log_id)
    raise ConnectionResetError


@pytest.mark.django_db
def test_an_enqueue_that_fails_after_the_broker_took_it_sends_nothing_later(configure, outbox):
    """R-079: the caller was told that no SMS comes."""
    configure(DISPATCH="tests.test_queues.take_and_break")
    with pytest.raises(DeliveryUnavailable):
        challenges.start(NUMBER)
    delivery.deliver(TAKEN.pop())

    assert (SendLog.objects.get().status, len(outbox)) == ("failed", 0)


@pytest.mark.django_db
def test_an_enqueue_that_fails_after_a_worker_sent_is_no_failure(configure, outbox):
    """R-079."""
    configure(DISPATCH="tests.test_queues.work_and_break")
    challenges.start(NUMBER)

    assert (SendLog.objects.get().status, len(outbox)) == ("submitted", 1)


# What the checks say


def complaints(deploy=False):
    """Return id and text of what the checks find about the queue."""
    found = checks.run_checks(tags=["kaleyra_otp"], include_deployment_checks=deploy)
    of_queues = ("kaleyra_otp.E019", "kaleyra_otp.W015")
    return [
        (message.id[-4:], f"{message.msg} {message.hint}") for message in found if message.id in of_queues
    ]


@pytest.mark.parametrize(
    ("tasks", "what"),
    [
        ({}, "entry 'default'"),
        ({"default": {"BACKEND": "no_such.Backend"}}, "entry 'default'"),
        ({"default": {"BACKEND": "", "QUEUES": ["mail"]}}, "queue 'default'"),
    ],
)
def test_tasks_that_django_cannot_queue_are_an_error(configure, settings, tasks, what):
    name = tasks_module().__name__
    settings.TASKS = {
        alias: {**entry, "BACKEND": entry["BACKEND"].format(f"{name}.backends")}
        for alias, entry in tasks.items()
    }
    configure(DISPATCH="tasks")

    ((number, text),) = complaints(deploy=True)
    assert number == "E019"
    assert what in text


def test_a_backend_whose_app_is_not_installed_is_an_error(configure, settings, in_a_table):
    settings.INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if app != "django_tasks_db"]

    ((number, text),) = complaints(deploy=True)
    assert number == "E019"
    assert "'django_tasks_db' in INSTALLED_APPS" in text


@pytest.mark.parametrize(
    ("word", "package", "mend"),
    [("celery", "celery", "django-kaleyra-otp[celery]"), ("tasks", None, "django-kaleyra-otp[tasks]")],
)
def test_a_word_whose_package_is_not_installed_is_an_error(configure, monkeypatch, word, package, mend):
    for name in [package] if package else ["django.tasks", "django_tasks"]:
        monkeypatch.setitem(sys.modules, name, None)
    configure(DISPATCH=word)

    ((number, text),) = complaints(deploy=True)
    assert number == "E019"
    assert mend in text


@pytest.mark.parametrize(
    ("backend", "what"),
    [(None, "within the request"), ("immediate.Immediate", "within the request"), ("dummy.Dummy", "no task")],
)
def test_a_backend_that_is_no_queue_is_warned_of_under_deploy(configure, settings, backend, what):
    name = tasks_module().__name__
    if backend:
        settings.TASKS = {"default": {"BACKEND": f"{name}.backends.{backend}Backend"}}
    configure(DISPATCH="tasks")

    ((number, text),) = complaints(deploy=True)
    assert number == "W015"
    assert what in text
    assert complaints() == []


@pytest.mark.parametrize(
    ("conf", "what"),
    [({"task_always_eager": True}, "within the request"), ({"broker_url": None}, "no broker")],
)
def test_a_celery_that_is_no_queue_is_warned_of_under_deploy(configure, celery, monkeypatch, conf, what):
    monkeypatch.delenv("CELERY_BROKER_URL", raising=False)
    celery.conf.update(conf)
    configure(DISPATCH="celery")

    ((number, text),) = complaints(deploy=True)
    assert number == "W015"
    assert what in text
    assert complaints() == []


def test_a_table_of_tasks_and_a_celery_with_a_broker_are_fine(configure, in_a_table, celery):
    assert complaints(deploy=True) == []
    configure(DISPATCH="celery")
    assert complaints(deploy=True) == []


@pytest.mark.parametrize("word", ["tasks", "celery"])
@pytest.mark.django_db
def test_a_queue_that_is_none_sends_all_the_same(configure, word, outbox, request):
    """Django's default backend; Celery's ``task_always_eager``."""
    if word == "celery":
        request.getfixturevalue("celery").conf.task_always_eager = True
    else:
        tasks_module()
    configure(DISPATCH=word)
    challenges.start(NUMBER)

    assert (SendLog.objects.get().status, len(outbox)) == ("submitted", 1)


@pytest.mark.parametrize(
    "missing", [["celery"], ["django.tasks", "django_tasks"], ["celery", "django_tasks"]]
)
def test_the_tasks_are_importable_whatever_is_installed(missing):
    """Also where TASKS is empty: Celery imports the module in every project that has it."""
    script = f"""
import sys
for name in {missing!r}:
    sys.modules[name] = None
import django
from django.conf import settings
settings.configure(INSTALLED_APPS={APPS!r}, TASKS={{}}, DEFAULT_AUTO_FIELD="django.db.models.AutoField")
django.setup()
import django_kaleyra_otp.tasks as tasks
print(tasks.enqueue.__name__, tasks.publish.__name__, hasattr(tasks, "no_such_name"))
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, timeout=60, check=False
    )

    assert (done.stdout, done.returncode) == ("enqueue publish False\n", 0), done.stderr
