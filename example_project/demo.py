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


def refuse_taken(port, name, whose):
    """Raise Failure where nobody can listen on a port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen()
        except OSError as error:
            other = port + 1 if port < 65535 else port - 1
            raise Failure(
                f"Port {port}, for the {whose}, cannot be used: {error.strerror}.\n"
                f"End what listens there, or choose another: {name}={other} make demo"
            ) from None


def box(rows):
    width = max(len(name) for name, _ in rows)
    lines = [f"  {name:{width}}   {value}" for name, value in rows]
    rule = "-" * (max(map(len, lines)) + 2)
    return "\n".join([rule, *lines, rule])


def run(stop):
    """Start everything, say where it is, and wait until ``stop`` is set. Raises Failure."""
    needed = ("django_kaleyra_otp", "drf_spectacular_sidecar")
    missing = [name for name in needed if not importlib.util.find_spec(name)]
    if missing:
        raise Failure(f"{', '.join(missing)} cannot be imported here: start this with `make demo`.")
    site_port = port_from(os.environ, "SITE_PORT", 8000)
    simulator_port = port_from(os.environ, "SIMULATOR_PORT", 9009)
    if site_port == simulator_port:
        raise Failure(f"SITE_PORT and SIMULATOR_PORT are both {site_port}: they must differ.")
    refuse_taken(site_port, "SITE_PORT", "site")
    refuse_taken(simulator_port, "SIMULATOR_PORT", "simulator")
    site, handsets = f"http://{HOST}:{site_port}/", f"http://{HOST}:{simulator_port}/"
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "settings",
        "PYTHONUNBUFFERED": "1",
        "SITE_PORT": str(site_port),
        "SIMULATOR_PORT": str(simulator_port),
    }
    demonstration = Demonstration(environment, stop)
    simulator = ("-m", "django_kaleyra_otp.simulator", "--port", str(simulator_port))
    callback_url = ("--callback-url", f"{site}otp/webhook/")
    try:
        print("Preparing the database", flush=True)
        demonstration.run_through("migration", "manage.py", "migrate", "--verbosity", "0")
        demonstration.run_through("making of the demo data", "manage.py", "demo_data")
        kaleyra = demonstration.start("simulator", *simulator, *callback_url)
        shop = demonstration.start("site", "manage.py", "runserver", "--noreload", f"{HOST}:{site_port}")
        demonstration.wait_for(kaleyra, handsets)
        demonstration.wait_for(shop, site)
        if not stop.is_set():
            rows = [
                ("Site", site),
                ("Handsets", handsets),
                ("Admin", f"{site}admin/   user name demo, password demo"),
                ("API", f"{site}api/docs/"),
            ]
            print(f"{box(rows)}\nCtrl-C ends it.", flush=True)
        while not stop.is_set():
            demonstration.watch(0.5)
    finally:
        demonstration.end()


def main():
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
    sys.exit(main())
