"""The clock that the soak test steps."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.soak.wall_clock import WallClock

pytestmark = pytest.mark.slow

_SHOW = """
import datetime, sys, time
for _ in sys.stdin:
    began = time.monotonic()
    time.sleep(0.1)
    print(time.time(), datetime.datetime.now().timestamp(), time.monotonic() - began, flush=True)
"""


@pytest.mark.parametrize("steps", [(0, 172_800, -172_800, 0), (-1, 1), (10**9,)])
def test_the_wall_clock_is_stepped_and_the_monotonic_one_is_not(
    tmp_path: Path, steps: tuple[int, ...]
) -> None:
    clock = WallClock(tmp_path)
    if not clock.can_step and not os.environ.get("CI"):
        pytest.skip("without Linux and a C compiler there is no clock to step")
    with subprocess.Popen(  # noqa: S603 - this Python, and the script above
        [sys.executable, "-c", _SHOW],
        env={**os.environ, **clock.variables},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for seconds in steps:
            clock.step(seconds)
            process.stdin.write("\n")
            process.stdin.flush()
            shown, shown_as_date, slept = map(float, process.stdout.readline().split())
            assert abs(shown - time.time() - seconds) < 0.5
            assert abs(shown_as_date - shown) < 0.5
            assert 0.1 <= slept < 5.0
        process.stdin.close()
