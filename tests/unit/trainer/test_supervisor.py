"""The supervisor starts a trainer that fails again at growing intervals, and reports it as blocked."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest

from recommender.system.file_locks import take_lock
from recommender.trainer import supervisor as supervisors
from recommender.trainer.state import TrainingReader
from recommender.trainer.supervisor import TrainerSupervisor
from recommender.trainer.training_locks import TRAINER_LOCK
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

FAILING, STOPPED = "exit 3", "exit 0"


class Program:
    """A program in place of the trainer, which notes each of its starts."""

    def __init__(self, folder: Path) -> None:
        self._starts = folder / "starts"
        self._starts.touch()
        self.path = folder / "program"
        self.models = folder / "models"

    def write(self, ending: str) -> None:
        self.path.write_text(f"#!/bin/sh\necho started >> {self._starts}\n{ending}\n")
        self.path.chmod(0o755)

    @property
    def starts(self) -> int:
        return len(self._starts.read_text().splitlines())


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    program = Program(tmp_path)
    monkeypatch.setattr(sys, "executable", str(program.path))
    monkeypatch.setattr(supervisors, "_LOOK_S", 0.05)
    return program


@pytest.fixture
def supervisor(program: Program, monkeypatch: pytest.MonkeyPatch) -> Iterator[TrainerSupervisor]:
    started: list[Popen[bytes]] = []

    def start(*arguments: Any, **options: Any) -> Popen[bytes]:
        started.append(Popen(*arguments, **options))  # noqa: S603 - ours
        return started[-1]

    monkeypatch.setattr(subprocess, "Popen", start)
    lifeline = os.pipe()
    supervisor = TrainerSupervisor(program.models, {}, lifeline[0])
    yield supervisor
    supervisor.close()
    for process in started:
        process.wait(10)
    for descriptor in lifeline:
        os.close(descriptor)


@contextmanager
def holding(path: Path) -> Iterator[None]:
    """Hold a lock as soon as it is free."""
    while (lock := take_lock(path, 0.0)) is None:
        pass
    try:
        yield
    finally:
        os.close(lock)


def test_a_trainer_that_fails_at_once_is_started_less_and_less_often_and_reported(
    program: Program, supervisor: TrainerSupervisor
) -> None:
    program.write(FAILING)
    reader = TrainingReader(program.models, trains=True)
    reader.watch(lambda: supervisor.is_blocked)
    supervisor.open()
    wait_until(lambda: program.starts >= 2)
    # Pauses of 0.2, 0.4, 0.8 and 1.6 s follow.
    time.sleep(1.5)
    assert program.starts <= 5
    assert reader.read().blocked


def test_a_trainer_that_fails_after_a_long_life_is_logged_and_reported_until_the_next_one_lives(
    program: Program,
    supervisor: TrainerSupervisor,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(supervisors, "_PROVEN_AFTER_S", 0.5)
    program.write(f"sleep 1; {FAILING}")
    supervisor.open()
    wait_until(lambda: program.starts >= 1)
    program.write("sleep 5; exit 0")
    wait_until(lambda: supervisor.is_blocked)
    assert "the trainer ended with status 3" in caplog.text
    wait_until(lambda: not supervisor.is_blocked)
    assert program.starts == 2


def test_a_trainer_that_ends_without_an_error_is_started_again_soon(
    program: Program, supervisor: TrainerSupervisor
) -> None:
    program.write(STOPPED)
    supervisor.open()
    wait_until(lambda: program.starts >= 5)
    assert not supervisor.is_blocked


def test_nothing_is_blocked_once_another_process_has_a_trainer_that_does_not_end_at_once(
    program: Program, supervisor: TrainerSupervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisors, "_PROVEN_AFTER_S", 2.0)
    program.write(FAILING)
    supervisor.open()
    wait_until(lambda: supervisor.is_blocked)
    with holding(program.models / TRAINER_LOCK):
        began = time.monotonic()
        wait_until(lambda: not supervisor.is_blocked)
        assert time.monotonic() - began > 1.0, "it may still fail"
