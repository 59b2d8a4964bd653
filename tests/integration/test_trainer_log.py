"""Errors of the trainer and its runs are lines of the log, with the status that the trainer reads."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from config.setting_types import ROOT
from recommender.model_store.runs import Trigger, read_runs
from recommender.trainer.process import ANOTHER_RUNS
from recommender.trainer.training_locks import run_lock
from tests.support.processes import environment

pytestmark = pytest.mark.slow

RUN = ("--once", "--trigger", Trigger.SCHEDULE.value)
TRAINER = ("--lock", "0")
COMMAND = "import sys; from recommender.cli.main import main; sys.exit(main(['trainer', *sys.argv[1:]]))"
BUG = "import recommender.cli.trainer as m; m.configured_blend = None; "


def logged(
    folder: Path, *options: str, script: str = COMMAND, **variables: str
) -> tuple[int, list[dict[str, Any]]]:
    """Run the command with the options of the service; return its status and the lines of its log."""
    variables = {"MODEL_PATH": str(folder), "LOG_FORMAT": "json", **variables}
    read, write = os.pipe()
    try:
        ended = subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-c", script, *options],
            cwd=ROOT,
            env=environment(**variables),
            # Open, as that of a run is while its trainer lives.
            stdin=read,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        os.close(read)
        os.close(write)
    assert ended.stdout == ""
    return ended.returncode, [json.loads(line) for line in ended.stderr.splitlines()]


@pytest.mark.parametrize(
    ("options", "variables", "status", "said"),
    [
        (RUN, {"EXPERIMENTS_PATH": __file__}, 1, "cannot be read as TOML"),
        (RUN, {"TRAINING_SCHEDULE": "now and then"}, 1, "TRAINING_SCHEDULE"),
        (RUN, {"MODEL_PATH": f"{__file__}/models"}, 1, "Not a directory"),
        (TRAINER, {"TRAINING_SCHEDULE": "never"}, 2, "TRAINING_SCHEDULE is never"),
    ],
    ids=["experiments", "setting", "folder", "schedule"],
)
def test_an_error_is_one_line_of_the_log(
    tmp_path: Path, options: tuple[str, ...], variables: dict[str, str], status: int, said: str
) -> None:
    ended, (line,) = logged(tmp_path, *options, **variables)
    assert (ended, line["level"], line["logger"]) == (status, "ERROR", "recommender.trainer")
    assert said in line["message"]


def test_a_bug_is_one_line_of_the_log_with_its_traceback(tmp_path: Path) -> None:
    ended, (line,) = logged(tmp_path, *RUN, script=BUG + COMMAND)
    assert (ended, line["level"]) == (1, "ERROR")
    assert line["exception"].startswith("Traceback")


def test_a_run_that_does_not_begin_because_of_another_one_has_a_status_of_its_own(tmp_path: Path) -> None:
    with run_lock(tmp_path):
        ended, (line,) = logged(tmp_path, *RUN)
    assert (ended, line["level"]) == (ANOTHER_RUNS, "WARNING")
    assert "another training run is under way" in line["message"]
    assert not any(read_runs(tmp_path, 1))
