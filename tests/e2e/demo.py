"""The demonstration in processes of its own, and the customers who walk through it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from tests.e2e.conftest import free_port

EXAMPLE = Path(__file__).resolve().parents[2] / "example_project"
PATIENCE = 60  # seconds for what another process does, on a machine that does much else
ASHA = "+919999900000"
#: More customers, so that no test waits for another's cool-down.
MORE = {name: f"+9198765430{number:02}" for number, name in enumerate(["ben", "cleo", "dev", "esha"])}


class Demo:
    """``demo.py``, or another script, in a process of its own, on two ports and a database of its own."""

    def __init__(self, folder, script="demo.py", **environment):
        self.site_port, self.simulator_port = free_port(), free_port()
        self.environment = {
            **os.environ,
            "DATABASE_URL": f"sqlite:///{folder / 'demo.sqlite3'}",
            "SITE_PORT": str(self.site_port),
            "SIMULATOR_PORT": str(self.simulator_port),
            "DJANGO_SETTINGS_MODULE": "settings",
            **environment,
        }
        self.process = subprocess.Popen(
            [sys.executable, EXAMPLE / script],
            env=self.environment,
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.site = f"http://127.0.0.1:{self.site_port}"
        self.handsets = f"http://127.0.0.1:{self.simulator_port}"

    def wait_until_ready(self):
        """Return what it printed until it said that it is ready; it gives up by itself where it never is."""
        said = ""
        while "Ctrl-C ends it." not in said:
            line = self.process.stdout.readline()
            assert line, f"it ended: {self.process.stderr.read()}"
            said += line
        return said

    def end(self, signum=signal.SIGINT):
        """Return its exit code after a signal."""
        self.process.send_signal(signum)
        return self.wait()

    def wait(self):
        """Return its exit code; what it said last is in ``complaint``."""
        _, self.complaint = self.process.communicate(timeout=60)
        return self.process.returncode

    def manage(self, *arguments):
        command = [sys.executable, EXAMPLE / "manage.py", *arguments]
        subprocess.run(
            command, env=self.environment, cwd=EXAMPLE, check=True, timeout=60, capture_output=True
        )

    def messages(self, number):
        """Return the SMS to a number, oldest first, as the handset has them."""
        return [
            sms
            for sms in requests.get(f"{self.handsets}/_control/messages", timeout=5).json()
            if sms["number"] == number
        ]

    def newest(self, number, ready=lambda sms: True):
        """Wait for an SMS to a number and return the newest."""
        return until(lambda: next((sms for sms in self.messages(number)[-1:] if ready(sms)), None))


def until(find, seconds=PATIENCE):
    """Poll until ``find`` finds something, and return that."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := find():
            return found
        threading.Event().wait(0.05)
    raise AssertionError("it never came")


@contextmanager
def running(folder) -> Iterator[Demo]:
    """A demonstration with ``MORE`` customers, until the block ends."""
    demo = Demo(folder)
    try:
        demo.wait_until_ready()
        people = f"for name, number in {MORE!r}.items():"
        create = "Customer.objects.create(username=name, phone_number=number)"
        demo.manage("shell", "-c", f"from shop.models import Customer\n{people}\n    {create}")
        yield demo
    finally:
        code = demo.end()
    assert code == 0, demo.complaint
