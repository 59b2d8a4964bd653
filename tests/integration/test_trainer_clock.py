"""Versions and numbers of training runs increase, whatever the clock shows."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from config.setting_types import ROOT
from recommender.model_store.currents import latest_published
from recommender.model_store.runs import read_runs
from recommender.models.names import AUTO
from recommender.models.registry import DEFAULT_MODEL
from tests.soak.wall_clock import WallClock

pytestmark = pytest.mark.slow


@pytest.fixture
def clock(tmp_path: Path) -> WallClock:
    clock = WallClock(tmp_path)
    if not clock.can_step:
        pytest.skip("the clock cannot be stepped without a C compiler")
    return clock


@pytest.mark.usefixtures("run_on_models", "quick_models")
def test_numbers_increase_after_the_clock_was_set_back(
    folder: Path, clock: WallClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODEL", DEFAULT_MODEL)
    # One process for all runs, as each start of an interpreter with the preloaded clock takes seconds.
    script = (
        "from recommender.cli.main import main\n"
        "while input():\n"
        "    status = main(['trainer', '--once'])\n"
        "    print('status', status, flush=True)\n"
    )
    versions, numbers = [], []
    with subprocess.Popen(  # noqa: S603 - our own interpreter and script
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={**os.environ, **clock.variables},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for offset in (2 * 86_400, 0, -2 * 86_400):
            clock.step(offset)
            process.stdin.write("go\n")
            process.stdin.flush()
            assert "status 0\n" in iter(process.stdout.readline, "")
            latest = latest_published(folder, AUTO)
            assert latest is not None
            versions.append(latest.version)
            numbers.append(next(read_runs(folder, 1)).number)
        process.stdin.write("\n")
    assert versions == sorted(set(versions))
    assert numbers == [1, 2, 3]
