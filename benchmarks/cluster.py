"""A PostgreSQL server of one's own, to be stopped, frozen and started again."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from benchmarks.stage import free_port


def binaries() -> Path | None:
    """Return the folder of the newest PostgreSQL server that is installed, or None."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


class Cluster:
    """Its data in a folder of its own, on a free port, everybody on this machine let in."""

    def __init__(self, folder_of_binaries: Path) -> None:
        self.bin = folder_of_binaries
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="kaleyra-otp-postgres-"))
        self._frozen: list[int] = []
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres")  # the server does not run as root
        self.data = self.folder / "data"
        self._run("initdb", "-D", str(self.data), "-U", "postgres", "-A", "trust", "--no-sync")

    @property
    def url(self) -> str:
        """The address of the server, as ``--database-url`` takes it."""
        return f"postgres://postgres@127.0.0.1:{self.port}/"

    def start(self) -> None:
        """Start it, and return once it answers."""
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=''"
        log = str(self.folder / "log")
        self._run("pg_ctl", "-D", str(self.data), "-o", options, "-l", log, "-w", "start")

    def stop(self) -> None:
        """Stop it as a crash would."""
        self._run("pg_ctl", "-D", str(self.data), "-m", "immediate", "-w", "stop")

    def freeze(self) -> None:
        """Let it take connections and answer nothing."""
        postmaster = int((self.data / "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
        self._frozen = [postmaster, *map(int, children)]
        for pid in self._frozen:
            os.kill(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        for pid in self._frozen:
            os.kill(pid, signal.SIGCONT)
        self._frozen = []

    def remove(self) -> None:
        """Stop it and delete its data."""
        self.thaw()
        if (self.data / "postmaster.pid").exists():
            self.stop()
        shutil.rmtree(self.folder)

    def _run(self, command: str, *arguments: str) -> None:
        as_postgres = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        subprocess.run(
            [*as_postgres, str(self.bin / command), *arguments],
            check=True,
            cwd="/",
            stdout=subprocess.DEVNULL,
            timeout=60,
        )
