"""``python -m django_kaleyra_otp.simulator``: serve until Ctrl-C or SIGTERM."""

import argparse
import json
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django_kaleyra_otp.simulator import fates, simulator
from django_kaleyra_otp.simulator.profiles import DEFAULT_PROFILE_ID
from django_kaleyra_otp.simulator.simulator import Simulator

PORT = 9009
USAGE_ERROR = 2
NOT_SHOWN = "(as given)"


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve; return 0 after a signal, 2 with one line on stderr where that cannot be."""
    options = _parser().parse_args(arguments)
    try:
        kaleyra = Simulator(
            sid=options.sid,
            api_key=options.api_key,
            callback_url=options.callback_url,
            callback_secret=options.callback_secret,
            profiles=_profiles(options.config),
            senders=options.sender or [simulator.SENDER],
            time_scale=options.time_scale,
            host=options.host,
            port=options.port,
            tls=tuple(options.tls) if options.tls else None,
        )
    except ValueError as error:
        return _complain(str(error))
    try:
        kaleyra.start()
    except (OSError, OverflowError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return _complain(f"cannot serve on {options.host} port {options.port}: {reason}")
    stop = threading.Event()
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, lambda *_: stop.set())
    print(_greeting(kaleyra, options), flush=True)
    while not stop.wait(0.5):
        pass
    kaleyra.stop()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m django_kaleyra_otp.simulator",
        description="Kaleyra on this machine: takes SMS, shows them on handsets in the browser, calls back. "
        "Nothing is sent to anybody.",
        epilog=_table(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--port", type=int, default=PORT, help="0 is a free one; default %(default)s")
    add("--host", default="127.0.0.1", help="127.0.0.1 (default), localhost or ::1; no other")
    add("--sid", default=simulator.SID, help="account SID; default %(default)s")
    add("--api-key", default=simulator.API_KEY, help="never a real one; default A and 32 zeros")
    add(
        "--sender",
        action="append",
        help=f"sender id of the account, may be repeated; default {simulator.SENDER}",
    )
    add("--callback-url", default=simulator.CALLBACK_URL, help="default %(default)s")
    add("--callback-secret", default=simulator.CALLBACK_SECRET, help="sent in X-Kaleyra-Otp-Secret")
    add("--time-scale", type=float, default=1.0, metavar="FACTOR", help="0.1 is ten times as fast")
    add("--config", type=Path, metavar="FILE", help='JSON: {"profiles": [{"title", "url", "body", …}, …]}')
    add("--tls", nargs=2, metavar=("CERTIFICATE", "KEY"), help="speak https with these files")
    return parser


def _table() -> str:
    lines = [
        f"The last four digits of {fates.SERIES}xxxx choose what becomes of an SMS; every other number,",
        "there and elsewhere, is delivered. The words do the same on the page, in the control API and",
        "in set_fate().",
        "",
    ]
    part = ""
    for fate in fates.TABLE:
        if fate.part != part:
            part = fate.part
            lines += ["", f"{part}:"]
        word = f"{fate.word}={fate.default}" if fate.default else fate.word
        lines.append(f"  {fate.number}  {word:22} {fate.meaning}")
    return "\n".join(lines)


def _profiles(path: Path | None) -> list[Any] | None:
    """Read the callback profiles of a configuration file. Raises ValueError."""
    if path is None:
        return None
    try:
        config = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} cannot be read as JSON: {type(error).__name__}") from error
    if (
        not isinstance(config, dict)
        or set(config) != {"profiles"}
        or not isinstance(config["profiles"], list)
    ):
        raise ValueError(f'{path} is not of the form {{"profiles": [...]}}')
    if not all(isinstance(profile, dict) for profile in config["profiles"]):
        raise ValueError(f"{path}: each profile is an object")
    return list(config["profiles"])


def _greeting(kaleyra: Simulator, options: argparse.Namespace) -> str:
    def shown(given: str, default: str) -> str:
        return given if given == default else NOT_SHOWN

    profile_id = next(iter(kaleyra.profiles), DEFAULT_PROFILE_ID)
    rows = {
        "Handsets": f"{kaleyra.base_url}/",
        "BASE_URL": kaleyra.base_url,
        "SID": kaleyra.sid,
        "API_KEY": shown(options.api_key, simulator.API_KEY),
        "SENDER": ", ".join(options.sender or [simulator.SENDER]),
        "CALLBACK_PROFILE_ID": profile_id,
        "WEBHOOK_SECRET": shown(options.callback_secret, simulator.CALLBACK_SECRET),
        "Calls back": options.callback_url if options.config is None else "as the configuration says",
    }
    lines = [f"  {name:20} {value}" for name, value in rows.items()]
    return "\n".join(["Kaleyra is simulated on this machine; no SMS is sent. Ctrl-C ends it.", "", *lines])


def _complain(reason: str) -> int:
    print(f"simulator: {reason}", file=sys.stderr)
    return USAGE_ERROR


if __name__ == "__main__":
    sys.exit(main())
