"""SIGTERM ends the first process of a container, for which Linux ignores signals without a handler."""

import signal
import subprocess
import sys

import pytest

from config.setting_types import ROOT
from tests.support.processes import environment

pytestmark = pytest.mark.slow

# Makes this process pass for the first one, and gives it a signal while it imports a module.
STOPPED_AT = """
import os, signal, sys
from config import stop_signals
which, stopping_at = sys.argv[1:]
stop_signals._FIRST_PID = os.getpid() if which == "first" else 1
class Stopping:
    def find_spec(name, *_):
        if name == stopping_at:
            try:
                os.kill(os.getpid(), signal.SIGTERM)
            except BaseException:
                # As in a callback, whose exceptions Python ignores.
                pass
sys.meta_path.insert(0, Stopping)
"""
COMMAND = "from recommender.cli.main import main; sys.exit(main(['models', 'list']))"
GUNICORN = """
from gunicorn.app.wsgiapp import run
sys.argv = ["gunicorn", "-c", "config/gunicorn.conf.py", "wsgi:app"]
run()
"""


def status_after_sigterm(program: str, which: str, module: str) -> int:
    """Return the exit status of a program that gets SIGTERM when it imports a module."""
    command = [sys.executable, "-c", STOPPED_AT + program, which, module]
    done = subprocess.run(command, cwd=ROOT, env=environment(), timeout=60, capture_output=True, check=False)  # noqa: S603 - ours
    assert b"Traceback" not in done.stderr
    return done.returncode


@pytest.mark.parametrize(("program", "module"), [(COMMAND, "recommender.cli.models"), (GUNICORN, "app")])
def test_the_first_process_exits_while_it_starts(program: str, module: str) -> None:
    assert status_after_sigterm(program, "first", module) == 128 + signal.SIGTERM


def test_other_processes_are_ended_at_once() -> None:
    assert status_after_sigterm(COMMAND, "other", "recommender.cli.models") == -signal.SIGTERM


CLEANING = """
import os, pathlib, signal, sys, time
from config import stop_signals
stop_signals._LONGEST_S = 0.3
try:
    with stop_signals.unwinding_on_sigterm():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(60)
        except SystemExit:
            if sys.argv[1] == "other":
                raise
            time.sleep(60)
finally:
    print("cleaned up", flush=True)
"""


@pytest.mark.parametrize(("which", "printed"), [("other", b"cleaned up\n"), ("stuck", b"")])
def test_a_process_that_cleans_up_exits_at_last(which: str, printed: bytes) -> None:
    command = [sys.executable, "-c", CLEANING, which]
    done = subprocess.run(command, cwd=ROOT, timeout=30, stdout=subprocess.PIPE, check=False)  # noqa: S603 - ours
    assert (done.returncode, done.stdout) == (128 + signal.SIGTERM, printed)
