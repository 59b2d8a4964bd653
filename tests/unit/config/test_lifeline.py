"""The service's helpers end with it, and a service that is stopped waits for their end."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from config.setting_types import ROOT

# Starts a helper that takes a moment to end, and passes on whether the service is killed or stopped.
SERVICE = """
import os, signal, subprocess, sys
from config.lifeline import end_lifeline, renew_lifeline
renew_lifeline()
lifeline = renew_lifeline()
helper = '''
import os, pathlib, sys, time
print("started", flush=True)
os.read(int(sys.argv[1]), 1)
time.sleep(float(sys.argv[3]))
pathlib.Path(sys.argv[2]).touch()
'''
subprocess.Popen([sys.executable, "-c", helper, str(lifeline), *sys.argv[2:]], pass_fds=(lifeline,))
sys.stdin.read()
if sys.argv[1] == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
end_lifeline(1.0)
end_lifeline(1.0)
"""


def end(how: str, ended: Path, slowness_s: float) -> None:
    """Run a service with a helper until the service has ended."""
    command = [sys.executable, "-c", SERVICE, how, str(ended), str(slowness_s)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as service:  # noqa: S603 - ours
        assert service.stdin is not None
        assert service.stdout is not None
        assert service.stdout.readline() == b"started\n"
        service.stdin.close()
        service.wait(20)


def test_a_stopped_service_ends_after_its_helper(tmp_path: Path) -> None:
    end("stopped", tmp_path / "ended", 0.3)
    assert (tmp_path / "ended").exists()


def test_a_stopped_service_does_not_wait_for_ever(tmp_path: Path) -> None:
    started = time.monotonic()
    end("stopped", tmp_path / "ended", 5.0)
    assert time.monotonic() - started < 5.0
    assert not (tmp_path / "ended").exists()


@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_a_helper_ends_with_its_service(tmp_path: Path, how: str) -> None:
    end(how, tmp_path / "ended", 0.0)
    ends_at = time.monotonic() + 10.0
    while not (tmp_path / "ended").exists() and time.monotonic() < ends_at:
        time.sleep(0.02)
    assert (tmp_path / "ended").exists()
