"""Processes of the service that must end soon, or must not start."""

import os
import socket
import subprocess
import sys

from config.setting_types import ROOT
from config.settings import Settings

_REFUSAL_S = 60.0
GUNICORN = ["-m", "gunicorn", "-c", "config/gunicorn.conf.py", "wsgi:app"]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        number: int = listener.getsockname()[1]
        return number


def environment(**variables: str) -> dict[str, str]:
    """Return this process's environment with the given settings and no others; `.env` has no effect.

    The trainer does not run, unless a schedule is given.
    """
    nothing_of_ours = dict.fromkeys(Settings.variables(), "")
    return {**os.environ, **nothing_of_ours, "TRAINING_SCHEDULE": "never", **variables}


def refusal(arguments: list[str], **variables: str) -> str:
    """Return the output of a process that must refuse to start."""
    result = subprocess.run(  # noqa: S603 - our own files
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=_REFUSAL_S,
        check=False,
    )
    assert result.returncode != 0
    assert "Traceback" not in result.stderr
    return result.stderr
