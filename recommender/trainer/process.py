"""The trainer process: wait until a training is due, and start each run in its own process.

The memory of a run is then returned to the system, and a killed run does not end the trainer.
"""

import logging
import os
import select
import signal
import subprocess  # nosec B404 # what it starts is our own
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import takewhile
from pathlib import Path

from apscheduler.triggers.base import BaseTrigger

from config.setting_types import HOME
from recommender.errors import MarqueeError
from recommender.model_store.currents import latest_published
from recommender.model_store.runs import (
    ESTIMATED_INTERACTIONS,
    TrainingOutcome,
    TrainingRun,
    Trigger,
    next_run_number,
    read_runs,
)
from recommender.system.clock import utc_now
from recommender.system.file_locks import is_held
from recommender.trainer.begun import BegunRun, noted, record_failure, record_killed_run
from recommender.trainer.schedule import Timetable, has_grown
from recommender.trainer.training_locks import RUN_LOCK

logger = logging.getLogger(__name__)

_LOOK_S = 5.0
_GROWTH_LOOK_S = 300.0
# Time limit of a run; a longer one hangs.
_LONGEST_RUN_S = 12 * 3_600.0
_RUNNING_LOOK_S = 0.2
_STOP_S = 10.0
# After so many failures in a row, the pause is at its longest.
_FAILURES_READ = 10
# Exit status of a run that did not begin, because another one, of a command, is under way.
ANOTHER_RUNS = 75
# How far back an estimate is looked for.
_ESTIMATES_READ = 100


class Trainer:
    """Start training runs, one after the other, until it is told to end or the service has ended.

    Args:
        folder: of the models.
        model: as in `MODEL`: `AUTO`, or the name of the only one that is published.
        trigger: the schedule.
        new_share: a run is due when this share of new interactions has been added; None for never.
        estimate: returns roughly how many interactions there are, None if that is unknown.
        command: returns the command line of a run for its trigger.
        holds_folder: returns whether this trainer still has the lock of the folder.
        lifeline: a descriptor that is at its end when the service has ended; None without a service.
    """

    def __init__(
        self,
        folder: Path,
        model: str,
        trigger: BaseTrigger,
        *,
        new_share: float | None,
        estimate: Callable[[], int | None],
        command: Callable[[Trigger], Sequence[str]],
        holds_folder: Callable[[], bool] = lambda: True,
        lifeline: int | None = None,
    ) -> None:
        self._folder = folder
        self._model = model
        self._new_share = new_share
        self._estimate = estimate
        self._command = command
        self._holds_folder = holds_folder
        self._lifeline = lifeline
        self._timetable = self._resumed_timetable(trigger)
        self._growth_look_at = time.monotonic() + _GROWTH_LOOK_S

    def work(self) -> None:
        """Start runs when they are due, until the service has ended or the folder was replaced."""
        while self._holds_folder():
            trigger = self._timetable.due(utc_now(), time.monotonic()) or self._growth()
            if trigger is not None and not self._train(trigger):
                return
            if self._service_ended(_LOOK_S):
                return

    def _growth(self) -> Trigger | None:
        """Check at intervals whether many interactions were added since the last run."""
        if self._new_share is None or time.monotonic() < self._growth_look_at:
            return None
        if self._timetable.has_failed:
            # The retry will learn from the new interactions.
            return None
        self._growth_look_at = time.monotonic() + _GROWTH_LOOK_S
        runs = read_runs(self._folder, _ESTIMATES_READ)
        estimates = (run.counts.get(ESTIMATED_INTERACTIONS) for run in runs)
        then = next((each for each in estimates if each is not None), None)
        try:
            now = self._estimate()
        except MarqueeError as exc:
            logger.warning("the number of new interactions is not known: %s", exc)
            return None
        return Trigger.NEW_INTERACTIONS if has_grown(now, then, self._new_share) else None

    def _resumed_timetable(self, trigger: BaseTrigger) -> Timetable:
        """Return the timetable after the runs so far, also one that was killed together with its trainer."""
        was_killed = self._record_killed_run()
        last, now = self._last_run(), utc_now()
        timetable = Timetable(
            trigger,
            last_start=None if last is None else datetime.fromisoformat(last.started_at),
            is_published=self._is_published(),
        )
        latest = read_runs(self._folder, _FAILURES_READ)
        failures = sum(1 for _ in takewhile(lambda run: not run.has_decided, latest))
        if was_killed or failures:
            ended = now if was_killed or last is None else datetime.fromisoformat(last.ended_at)
            timetable.resume(max(1, failures), (now - ended).total_seconds(), time.monotonic())
        return timetable

    def _train(self, trigger: Trigger) -> bool:
        """Run a training; return false if the service has ended meanwhile."""
        self._record_killed_run()
        with noted(self._folder, trigger) as run:
            return self._complete(run)

    def _record_killed_run(self) -> bool:
        """Record a run that was killed together with its trainer, or by hand; return whether there is one."""
        # The note of a run that a command makes at this moment is none of a killed one.
        return not is_held(self._folder / RUN_LOCK) and record_killed_run(self._folder)

    def _complete(self, run: BegunRun) -> bool:
        """Run a training that is noted; return false if the service has ended meanwhile."""
        # The run's standard input closes when this process ends, also by a crash: then the run ends, too.
        process = subprocess.Popen(self._command(run.trigger), cwd=HOME, stdin=subprocess.PIPE)  # noqa: S603  # nosec B603 # our own interpreter and files
        try:
            is_over = self._wait_for(process)
        finally:
            hangs = _end(process)
        if not is_over:
            return False
        if process.returncode != ANOTHER_RUNS and next_run_number(self._folder) <= run.number:
            self._record(run, process.returncode, hangs=hangs)
        last = self._last_run()
        self._timetable.ended(
            run.started_at,
            time.monotonic(),
            failed=last is None or last.number < run.number or last.outcome is TrainingOutcome.FAILED,
            is_published=self._is_published(),
        )
        self._growth_look_at = time.monotonic() + _GROWTH_LOOK_S
        return True

    def _wait_for(self, process: "subprocess.Popen[bytes]") -> bool:
        ends_at = time.monotonic() + _LONGEST_RUN_S
        while process.poll() is None and time.monotonic() < ends_at:
            if self._service_ended(_RUNNING_LOOK_S):
                return False
        return True

    def _record(self, run: BegunRun, status: int, *, hangs: bool) -> None:
        """Record a run that ended before it could record itself."""
        if hangs:
            hours = _LONGEST_RUN_S / 3_600
            logger.error("training run %d was ended because it took longer than %.0f h", run.number, hours)
            reason = f"It was ended because it took longer than {hours:.0f} h."
        elif status < 0:
            name = _name_of(-status)
            logger.error("training run %d was killed by %s", run.number, name)
            reason = f"It was killed by {name}."
        else:
            # For example, a setting has become wrong since the start of the trainer.
            logger.error(
                "training run %d ended with status %d before it could be recorded", run.number, status
            )
            reason = f"It ended with status {status} before it could be recorded: see the log."
        record_failure(self._folder, run, reason)

    def _service_ended(self, timeout_s: float) -> bool:
        """Wait for the timeout or until the service has ended; return whether it has."""
        readable, _, _ = select.select([] if self._lifeline is None else [self._lifeline], [], [], timeout_s)
        return bool(readable) and self._lifeline is not None and not os.read(self._lifeline, 1)

    def _is_published(self) -> bool:
        return latest_published(self._folder, self._model) is not None

    def _last_run(self) -> TrainingRun | None:
        return next(read_runs(self._folder, 1), None)


def _end(process: "subprocess.Popen[bytes]") -> bool:
    """End a run, and wait for its end; return whether it was still running."""
    is_running = process.poll() is None
    if process.stdin is not None:
        process.stdin.close()
    if is_running:
        process.kill()
    process.wait(_STOP_S)
    return is_running


def _name_of(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        # Most real-time signals have no name.
        return f"signal {number}"
