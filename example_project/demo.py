"""``make demo``: the site and a simulated Kaleyra on this machine, until Ctrl-C.

``SITE_PORT`` (8000) and ``SIMULATOR_PORT`` (9009) name the ports, ``DATABASE_URL`` another database.
"""

import contextlib
import importlib.util
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
HOST = "127.0.0.1"
PATIENCE = 60.0  # seconds for site and simulator to answer
GRACE = 5.0  # seconds for them to end


class Failure(Exception):
    """The demonstration cannot go on; the text says why and what to do."""


class Child:
    """One process of the demonstration; what it prints goes to a file, for the case that it fails."""

    def __init__(self, name, command, environment):
        self.name = name
        self.log = tempfile.TemporaryFile()  # noqa: SIM115  closed by end()
        self.process = subprocess.Popen(
            command,
            cwd=HERE,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for us alone: we end them, in order
        )

    @property
    def exit_code(self):
        return self.process.poll()

    def fail(self, what):
        """Raise Failure with the last lines of what the process printed."""
        self.log.seek(0)
        lines = self.log.read().decode(errors="replace").splitlines()[-15:]
        raise Failure("\n".join([f"The {self.name} {what}.", *(f"    {line}" for line in lines)]))

    def end(self):
        """End the process and whatever it started."""
        for signum in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signum)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(GRACE)
                break
        self.log.close()


class Demonstration:
    """Its processes, started in order and ended in the other; ``stop`` is set when somebody wants its end."""

    def __init__(self, environment, stop):
        self.environment, self.stop, self.children = environment, stop, []

    def start(self, name, *command):
        child = Child(name, [sys.executable, *command], self.environment)
        self.children.append(child)
        return child

    def end(self):
        while self.children:
            self.children.pop().end()

    def run_through(self, name, *command):
        """Run a process to its end, or until somebody stops us."""
        child = self.start(name, *command)
        while child.exit_code is None and not self.stop.wait(0.05):
            pass
        if child.exit_code:
            child.fail(f"failed (exit code {child.exit_code})")
        self.end()

    def prepare(self):
        """Make the tables, and what the demonstration needs in them."""
        print("Preparing the database", flush=True)
        self.run_through("migration", "manage.py", "migrate", "--verbosity", "0")
        self.run_through("making of the demo data", "manage.py", "demo_data")

    def show(self, rows):
        """Say where everything is, and wait until somebody stops us."""
        if not self.stop.is_set():
            print(f"{box(rows)}\nCtrl-C ends it.", flush=True)
        while not self.stop.is_set():
            self.watch(0.5)

    def watch(self, seconds):
        """Wait a moment; raise Failure where a child has ended by itself."""
        self.stop.wait(seconds)
        for child in self.children:
            if child.exit_code is not None:
                child.fail(f"ended by itself (exit code {child.exit_code})")

    def wait_for(self, child, url):
        """Wait until ``child`` answers at an address."""
        deadline = time.monotonic() + PATIENCE
        while not answers(url) and not self.stop.is_set():
            self.watch(0.05)
            if time.monotonic() > deadline:
                child.fail(f"did not answer at {url} within {PATIENCE:.0f} seconds")


def answers(url):
    try:
        with urllib.request.urlopen(url, timeout=2):  # the addresses are our own
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def port_from(environment, name, default):
    text = environment.get(name) or str(default)
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= 65535):
        raise Failure(f"{name} is {text!r}: it must be a port, 1 to 65535.")
    return int(text)


def refuse_taken(port, name, whose, target):
    """Raise Failure where nobody can listen on a port; ``target`` is what make was asked for."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen()
        except OSError as error:
            other = port + 1 if port < 65535 else port - 1
            raise Failure(
                f"Port {port}, for the {whose}, cannot be used: {error.strerror}.\n"
                f"End what listens there, or choose another: {name}={other} make {target}"
            ) from None


def box(rows):
    width = max(len(name) for name, _ in rows)
    lines = [f"  {name:{width}}   {value}" for name, value in rows]
    rule = "-" * (max(map(len, lines)) + 2)
    return "\n".join([rule, *lines, rule])


class Places:
    """Where site and simulator are, and the environment that tells their processes. Raises Failure."""

    def __init__(self, target):
        self.site_port = port_from(os.environ, "SITE_PORT", 8000)
        self.simulator_port = port_from(os.environ, "SIMULATOR_PORT", 9009)
        if self.site_port == self.simulator_port:
            raise Failure(f"SITE_PORT and SIMULATOR_PORT are both {self.site_port}: they must differ.")
        refuse_taken(self.site_port, "SITE_PORT", "site", target)
        refuse_taken(self.simulator_port, "SIMULATOR_PORT", "simulator", target)
        self.site = f"http://{HOST}:{self.site_port}/"
        self.handsets = f"http://{HOST}:{self.simulator_port}/"
        self.environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "settings",
            "PYTHONUNBUFFERED": "1",
            "SITE_PORT": str(self.site_port),
            "SIMULATOR_PORT": str(self.simulator_port),
        }
        simulator = ("-m", "django_kaleyra_otp.simulator", "--port", str(self.simulator_port))
        self.simulator = (*simulator, "--callback-url", f"{self.site}otp/webhook/")

    def rows(self):
        """Return what the box says of them."""
        return [
            ("Site", self.site),
            ("Handsets", self.handsets),
            ("Admin", f"{self.site}admin/   user name demo, password demo"),
            ("API", f"{self.site}api/docs/"),
        ]


def refuse_missing(packages, target):
    """Raise Failure where a package cannot be imported."""
    missing = [name for name in packages if not importlib.util.find_spec(name)]
    if missing:
        raise Failure(f"{', '.join(missing)} cannot be imported here: start this with `make {target}`.")


def run(stop):
    """Start everything, say where it is, and wait until ``stop`` is set. Raises Failure."""
    refuse_missing(("django_kaleyra_otp", "drf_spectacular_sidecar"), "demo")
    places = Places("demo")
    demonstration = Demonstration(places.environment, stop)
    try:
        demonstration.prepare()
        kaleyra = demonstration.start("simulator", *places.simulator)
        address = f"{HOST}:{places.site_port}"
        shop = demonstration.start("site", "manage.py", "runserver", "--noreload", address)
        demonstration.wait_for(kaleyra, places.handsets)
        demonstration.wait_for(shop, places.site)
        demonstration.show(places.rows())
    finally:
        demonstration.end()


def main(run):
    """Run a demonstration to its end, and return the exit code."""
    if sys.version_info < (3, 11):  # noqa: UP036  started by hand, with whatever Python there is
        version = sys.version.split()[0]
        print(f"The demonstration needs Python 3.11 or newer; this is {version}.", file=sys.stderr)
        return 1
    stop = threading.Event()
    signals = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
    if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
        signals.remove(signal.SIGHUP)  # nohup
    for signum in signals:
        signal.signal(signum, lambda *_: stop.set())
    try:
        run(stop)
    except Failure as failure:
        print(failure, file=sys.stderr)
        return 1
    print("\nEnded.")
    return 0


if __name__ == "__main__":
    sys.exit(main(run))
