"""Processes of the service that must end soon, or must not start."""

import os
import socket

from config.settings import Settings
from tests.support.forked import run_forked

# MODEL_PATH of tests without models. Not even root can make this folder: a test that trains needs its own.
NO_MODELS = "/proc/nonexistent"
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
    """Return the errors of a process that must refuse to start."""
    result = run_forked(arguments, environment(**variables), _REFUSAL_S)
    assert result.returncode == 1, result
    assert "Traceback" not in result.stderr
    return result.stderr
