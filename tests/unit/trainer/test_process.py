"""The trainer makes each run in another process, records killed runs, and ends with the service."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from config.setting_types import ROOT
from config.training_settings import cron_trigger
from recommender.model_store.runs import (
    ESTIMATED_INTERACTIONS,
    TrainingOutcome,
    TrainingRun,
    Trigger,
    read_runs,
    write_run,
)
from recommender.trainer import process
from recommender.trainer.begun import noted
from recommender.trainer.process import ANOTHER_RUNS, Trainer
from recommender.trainer.training_locks import run_lock
from tests.support.waiting import eventually, wait_until

pytestmark = pytest.mark.slow

KILLED = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
KILLED_NAMELESS = "import os, signal; os.kill(os.getpid(), signal.SIGRTMIN + 1)"
# As the kernel kills the whole container of a process that takes too much memory.
KILLED_WITH_ITS_TRAINER = (
    "import os, signal; [os.kill(pid, signal.SIGKILL) for pid in (os.getppid(), os.getpid())]"
)
TRAINER = """
import pathlib, sys
from config.training_settings import cron_trigger
from recommender.trainer.process import Trainer
Trainer(
    pathlib.Path(sys.argv[1]),
    "neighbours",
    cron_trigger("0 3 * * *"),
    new_share=None,
    estimate=lambda: None,
    command=lambda _: [sys.executable, "-c", sys.argv[2]],
).work()
"""
ENDLESS = (
    "import os, pathlib, sys, time; pathlib.Path(sys.argv[1]).write_text(str(os.getpid())); time.sleep(600)"
)


class Working:
    """A trainer in a thread, and the end of its lifeline that the service would hold."""

    def __init__(self, folder: Path, script: str, *, estimate: int | None = None) -> None:
        self.folder = folder
        self.script = script
        self.triggers: list[Trigger] = []
        self.looks: list[int | None] = []
        lifeline, self._held = os.pipe()
        trainer = Trainer(
            folder,
            "neighbours",
            cron_trigger("0 3 * * *"),
            new_share=0.1,
            estimate=lambda: self._look(estimate),
            command=self._command,
            lifeline=lifeline,
        )
        self.thread = threading.Thread(target=trainer.work)
        self.thread.start()

    def _command(self, trigger: Trigger) -> Sequence[str]:
        self.triggers.append(trigger)
        return [sys.executable, "-c", self.script, str(self.folder / "pid")]

    def _look(self, estimate: int | None) -> int | None:
        self.looks.append(estimate)
        return estimate

    def end_service(self) -> None:
        if self._held >= 0:
            os.close(self._held)
            self._held = -1
        self.thread.join(20)
        assert not self.thread.is_alive()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_LOOK_S", 0.02)
    monkeypatch.setattr(process, "_GROWTH_LOOK_S", 0.1)


@pytest.fixture
def working() -> Iterator[list[Working]]:
    started: list[Working] = []
    yield started
    for each in started:
        each.end_service()


def record(folder: Path, **changes: object) -> None:
    now = datetime.now(UTC).isoformat()
    run = TrainingRun(
        number=1,
        started_at=now,
        ended_at=now,
        trigger=Trigger.COMMAND,
        outcome=TrainingOutcome.REFITTED,
        reason="",
    )
    write_run(folder, run.model_copy(update=changes))


@pytest.mark.parametrize(
    ("script", "name"), [(KILLED, "SIGKILL"), (KILLED_NAMELESS, f"signal {signal.SIGRTMIN + 1}")]
)
def test_a_run_that_was_killed_is_recorded_and_tried_again_later(
    tmp_path: Path, working: list[Working], script: str, name: str
) -> None:
    working.append(Working(tmp_path, script))
    wait_until(lambda: any(read_runs(tmp_path, 1)))
    (run,) = read_runs(tmp_path, 2)
    assert (run.number, run.outcome, run.trigger) == (1, TrainingOutcome.FAILED, Trigger.FIRST_START)
    assert name in run.reason
    time.sleep(0.3)
    assert working[0].triggers == [Trigger.FIRST_START], "it waits before it tries again"


def test_a_run_that_ends_before_it_can_record_itself_is_recorded_logged_and_tried_again_later(
    tmp_path: Path, working: list[Working], caplog: pytest.LogCaptureFixture
) -> None:
    working.append(Working(tmp_path, "import no_such_module"))
    wait_until(lambda: any(read_runs(tmp_path, 1)))
    (run,) = read_runs(tmp_path, 2)
    assert (run.outcome, run.trigger) == (TrainingOutcome.FAILED, Trigger.FIRST_START)
    assert "status 1" in run.reason
    assert "training run 1 ended with status 1" in caplog.text
    time.sleep(0.3)
    assert working[0].triggers == [Trigger.FIRST_START], "it waits before it tries again"


def test_a_run_that_takes_too_long_is_ended_and_not_called_killed(
    tmp_path: Path, working: list[Working], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_LONGEST_RUN_S", 0.3)
    working.append(Working(tmp_path, ENDLESS))
    wait_until(lambda: any(read_runs(tmp_path, 1)))
    (run,) = read_runs(tmp_path, 2)
    assert "took longer than" in run.reason
    assert "SIGKILL" not in run.reason


def test_a_run_that_was_killed_with_its_trainer_is_recorded_and_tried_again_later(
    tmp_path: Path, working: list[Working]
) -> None:
    command = [sys.executable, "-c", TRAINER, str(tmp_path), KILLED_WITH_ITS_TRAINER]
    assert subprocess.run(command, cwd=ROOT, timeout=60, check=False).returncode == -signal.SIGKILL  # noqa: S603 - ours
    assert not any(read_runs(tmp_path, 1))
    working.append(Working(tmp_path, ""))
    (run,) = read_runs(tmp_path, 2)
    assert (run.number, run.outcome, run.trigger) == (1, TrainingOutcome.FAILED, Trigger.FIRST_START)
    assert "without a record" in run.reason
    time.sleep(0.3)
    assert not working[0].triggers, "it waits before it tries again"


def test_a_run_by_hand_that_is_under_way_is_not_recorded_as_killed(
    tmp_path: Path, working: list[Working]
) -> None:
    with run_lock(tmp_path), noted(tmp_path, Trigger.COMMAND):
        working.append(Working(tmp_path, f"raise SystemExit({ANOTHER_RUNS})"))
        wait_until(lambda: bool(working[0].triggers))
        time.sleep(0.5)
        assert not any(read_runs(tmp_path, 1))


def test_a_trainer_goes_on_with_the_pause_after_a_failed_run(tmp_path: Path, working: list[Working]) -> None:
    record(tmp_path, outcome=TrainingOutcome.FAILED)
    working.append(Working(tmp_path, ""))
    time.sleep(0.3)
    assert not working[0].triggers


def test_a_trainer_tries_again_what_failed_longer_ago_than_the_pause(
    tmp_path: Path, working: list[Working], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Trainer, "_is_published", lambda _: True)
    earlier = (datetime.now(UTC) - timedelta(seconds=100)).isoformat()
    record(tmp_path, outcome=TrainingOutcome.FAILED, ended_at=earlier)
    working.append(Working(tmp_path, ""))
    wait_until(lambda: working[0].triggers == [Trigger.SCHEDULE])


def test_a_run_that_ends_with_the_service_is_no_failure(tmp_path: Path, working: list[Working]) -> None:
    working.append(Working(tmp_path, ENDLESS))
    pid_file = tmp_path / "pid"
    wait_until(lambda: pid_file.exists() and pid_file.read_text() != "")
    working[0].end_service()
    assert not any(read_runs(tmp_path, 1))
    working.append(Working(tmp_path, ""))
    wait_until(lambda: working[1].triggers == [Trigger.FIRST_START])


def test_the_trainer_ends_when_its_folder_is_replaced(tmp_path: Path) -> None:
    looks = iter([True, False])
    trainer = Trainer(
        tmp_path,
        "neighbours",
        cron_trigger("0 3 * * *"),
        new_share=None,
        estimate=lambda: None,
        command=lambda _: [sys.executable, "-c", ""],
        holds_folder=lambda: next(looks),
    )
    trainer.work()
    assert next(looks, None) is None


def test_the_trainer_and_its_run_end_with_the_service(tmp_path: Path, working: list[Working]) -> None:
    working.append(Working(tmp_path, ENDLESS))
    pid_file = tmp_path / "pid"
    wait_until(lambda: pid_file.exists() and pid_file.read_text() != "")
    working[0].end_service()
    pid = int(pid_file.read_text())
    assert eventually(lambda: not Path(f"/proc/{pid}").exists())


@pytest.mark.parametrize(("estimate", "expected"), [(1_100, [Trigger.NEW_INTERACTIONS]), (1_099, [])])
def test_enough_new_interactions_start_a_training(
    tmp_path: Path,
    working: list[Working],
    monkeypatch: pytest.MonkeyPatch,
    estimate: int,
    expected: list[Trigger],
) -> None:
    monkeypatch.setattr(Trainer, "_is_published", lambda _: True)
    record(tmp_path, counts={ESTIMATED_INTERACTIONS: 1_000})
    record(tmp_path, number=2)
    working.append(Working(tmp_path, "", estimate=estimate))
    # At its second look, the trainer has acted on its first.
    wait_until(lambda: bool(working[0].triggers) or len(working[0].looks) >= 2)
    assert working[0].triggers[:1] == expected
