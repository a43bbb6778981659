"""``python -m django_kaleyra_otp.simulator``."""

import json
import re
import shutil
import signal
import socket
import subprocess
import sys

import pytest
import requests

from django_kaleyra_otp.simulator import API_KEY, SID, Simulator, fates
from django_kaleyra_otp.simulator.__main__ import main
from tests.e2e.simulator.sink import send

COMMAND = [sys.executable, "-m", "django_kaleyra_otp.simulator"]


@pytest.fixture
def complaint(capsys):
    """``complaint("--port", "x")``: the exit code and what stands on stderr."""
    return lambda *arguments: (main(arguments), capsys.readouterr().err)


def first_lines(process):
    """Return what is printed at the start, by name."""
    rows = {}
    while "Calls back" not in rows:
        line = process.stdout.readline()
        assert line, "it ended early"
        name, _, value = line.strip().partition("  ")
        rows[name] = value.strip()
    return rows


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_it_prints_its_addresses_and_ends_cleanly(signum):
    with subprocess.Popen(
        [*COMMAND, "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        rows = first_lines(process)
        page = requests.get(rows["Handsets"], timeout=5)
        process.send_signal(signum)
        _, complaint = process.communicate(timeout=10)

    assert page.status_code == 200
    assert (rows["SID"], rows["API_KEY"]) == (SID, API_KEY)
    assert (process.returncode, complaint) == (0, "")


def test_what_was_given_as_key_and_secret_is_not_printed():
    """R-104."""
    given = ["--port", "0", "--api-key", "A-key-of-mine", "--callback-secret", "a-secret-of-mine"]
    with subprocess.Popen([*COMMAND, *given], stdout=subprocess.PIPE, text=True) as process:
        rows = first_lines(process)
        process.terminate()

    assert (rows["API_KEY"], rows["WEBHOOK_SECRET"]) == ("(as given)", "(as given)")
    assert "of-mine" not in str(rows)


def test_a_taken_port_is_said_in_one_line(complaint):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        said = complaint("--port", port)

    assert said == (2, f"simulator: cannot serve on 127.0.0.1 port {port}: Address already in use\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--host", "0.0.0.0"], "the host must be loopback, one of 127.0.0.1, localhost, ::1"),
        (["--host", "example.com"], "the host must be loopback, one of 127.0.0.1, localhost, ::1"),
        (["--callback-url", "ftp://x/"], "url: an http or https URL"),
        (["--time-scale", "-1"], "time_scale is a float from 0"),
        (["--port", "99999"], "cannot serve on 127.0.0.1 port 99999: bind(): port must be 0-65535."),
    ],
)
def test_settings_that_cannot_be_are_said_in_one_line(complaint, arguments, said):
    assert complaint(*arguments) == (2, f"simulator: {said}\n")


def test_the_help_lists_every_number_and_word(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    printed = capsys.readouterr().out

    for fate in fates.TABLE:
        assert re.search(rf"^  {re.escape(fate.number)}  {re.escape(fate.word)}\b", printed, re.MULTILINE)


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"profiles": 5}', '{"profiles": [{"title": "Mine"}]}', '{"x": 1}']
)
def test_a_configuration_that_is_none_is_said_in_one_line(complaint, tmp_path, content):
    path = tmp_path / "simulator.json"
    path.write_text(content)

    code, said = complaint("--port", "0", "--config", str(path))

    assert (code, said.count("\n")) == (2, 1)


def test_profiles_come_from_a_configuration(tmp_path):
    path = tmp_path / "simulator.json"
    profile = {"profile_id": "IN_mine", "title": "Mine", "url": "http://127.0.0.1:1/", "body": {"a": "<id>"}}
    path.write_text(json.dumps({"profiles": [profile]}))
    given = ["--port", "0", "--config", str(path)]
    with subprocess.Popen([*COMMAND, *given], stdout=subprocess.PIPE, text=True) as process:
        rows = first_lines(process)
        process.terminate()

    assert rows["CALLBACK_PROFILE_ID"] == "IN_mine"


def test_it_needs_no_django_and_nothing_else_of_ours():
    code = (
        "import sys, django_kaleyra_otp.simulator.__main__\n"
        "print([name for name in sys.modules if name.split('.')[0] in ('django', 'rest_framework')\n"
        "  or name.startswith('django_kaleyra_otp.') and '.simulator' not in name])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20)

    assert done.stdout == "[]\n"


def test_it_speaks_https_with_a_certificate_that_nobody_need_trust(tmp_path):
    """R-075."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make a certificate with")
    key, certificate = str(tmp_path / "key.pem"), str(tmp_path / "certificate.pem")
    command = ["openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-days", "2", "-subj", "/CN=x"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate]
    subprocess.run(command, check=True, capture_output=True, timeout=20)
    with Simulator(tls=(certificate, key)) as kaleyra:
        trusted = requests.get(kaleyra.base_url, verify=certificate, timeout=5)
        with pytest.raises(requests.exceptions.SSLError):
            send(kaleyra)

        assert kaleyra.base_url.startswith("https://127.0.0.1:")
        assert (trusted.status_code, kaleyra.requests) == (200, [])


def test_it_serves_ipv6_loopback():
    with Simulator(host="::1") as kaleyra:
        assert kaleyra.base_url.startswith("http://[::1]:")
        assert requests.get(kaleyra.base_url, timeout=5).status_code == 200
