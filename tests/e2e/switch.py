"""The kill switch of a served project: off where a file says so."""

import os
from pathlib import Path


def is_on() -> bool:
    return Path(os.environ["SWITCH"]).read_text() == "on"
