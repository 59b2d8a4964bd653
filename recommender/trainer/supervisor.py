"""Keep a trainer running beside the workers: each worker checks for it, and starts it if there is none.

It is not a child of Gunicorn's master, which does nothing that can fail, and outlives the worker that starts
it.
"""

import logging
import os
import subprocess  # nosec B404 # what it starts is our own
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from config.setting_types import HOME, MODULE
from recommender.system.background import Pause, RepeatingThread
from recommender.trainer.training_locks import take_trainer_lock

logger = logging.getLogger(__name__)

_LOOK_S = 2.0
_BLOCKED_LOOK_S = 30.0
# A trainer that has run for so long works, and earlier failures are forgotten. It must exceed
# `_GROWTH_LOOK_S` of the trainer, after which one that cannot read the databases fails.
_PROVEN_AFTER_S = 360.0
_LONGEST_PAUSE_S = 600.0


class TrainerSupervisor:
    """Start the trainer if none holds the lock of the folder of the models.

    Args:
        folder: of the models.
        variables: environment variables, which pass the settings of this process to the trainer.
        lifeline: a descriptor that is at its end when the service has ended.
    """

    def __init__(self, folder: Path, variables: Mapping[str, str], lifeline: int) -> None:
        self._folder = folder
        self._variables = variables
        self._lifeline = lifeline
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._is_unwritable = False
        # Trainers of this worker that failed, in a row.
        self._failures = 0
        # Since when each look has found a trainer of another worker or host.
        self._held_since: float | None = None
        self._thread = RepeatingThread("trainer", self._look, _LOOK_S)

    @property
    def is_blocked(self) -> bool:
        """Whether no trainer can start, or the last one failed and the next has not run for long."""
        return self._is_unwritable or self._failures > 0

    def open(self) -> None:
        """Start checking in the background."""
        self._thread.open()

    def close(self) -> None:
        """Stop checking. The trainer ends by itself when the service has ended."""
        self._thread.close()

    def _look(self) -> Pause:
        if self._process is not None:
            status = self._process.poll()
            if status is None:
                return self._while_it_runs()
            self._process = None
            if status:
                return self._after_failure(status)
        try:
            lock = take_trainer_lock(self._folder)
        except OSError as exc:
            if not self._is_unwritable:
                logger.error("no model is trained, because MODEL_PATH cannot be written: %s", exc.strerror)
            self._is_unwritable = True
            return Pause(_BLOCKED_LOOK_S, _BLOCKED_LOOK_S)
        self._is_unwritable = False
        if lock is None:
            self._while_another_has_one()
        else:
            self._held_since = None
            try:
                self._start(lock)
            finally:
                os.close(lock)
        return Pause(_LOOK_S, _LOOK_S)

    def _while_it_runs(self) -> Pause:
        if time.monotonic() - self._started_at >= _PROVEN_AFTER_S:
            self._failures = 0
        return Pause(_LOOK_S, _LOOK_S)

    def _while_another_has_one(self) -> None:
        """Forget failures once another worker or host has held the lock for long: its trainer works."""
        if self._held_since is None:
            self._held_since = time.monotonic()
        elif time.monotonic() - self._held_since >= _PROVEN_AFTER_S:
            self._failures = 0

    def _after_failure(self, status: int) -> Pause:
        """Return the pause before the next start; the exponent is bounded, as a float overflows."""
        self._failures += 1
        pause = min(_LONGEST_PAUSE_S, _LOOK_S * 2.0 ** min(self._failures, 10))
        logger.error("the trainer ended with status %d: the next starts in %d s", status, pause)
        return Pause(pause, pause)

    def _start(self, lock: int) -> None:
        """Start a trainer, which inherits the lock."""
        command = [sys.executable, "-m", MODULE, "trainer"]
        self._process = subprocess.Popen(  # noqa: S603  # nosec B603 # our own interpreter and files
            [*command, "--lock", str(lock), "--lifeline", str(self._lifeline)],
            cwd=HOME,
            env={**os.environ, **self._variables},
            stdin=subprocess.DEVNULL,
            pass_fds=(lock, self._lifeline),
            # Its own session, without the signals that a terminal or service manager sends to the service.
            start_new_session=True,
        )
        self._started_at = time.monotonic()
        logger.info("the trainer runs as process %d", self._process.pid)
