"""Gunicorn's workers keep one trainer running: it is restarted, and ends with the service."""

import contextlib
import os
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from recommender.model_store.runs import TrainingOutcome, Trigger, read_runs
from recommender.system.file_locks import is_held
from recommender.trainer.training_locks import TRAINER_LOCK, take_trainer_lock
from tests.support.forked import run_forked
from tests.support.gunicorn import GunicornServer, running_gunicorn
from tests.support.postgres import Urls
from tests.support.processes import environment
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.gunicorn]

DAILY = {"TRAINING_SCHEDULE": "0 3 * * *"}
# Trains quickly, and needs no compiler.
QUICK = {**DAILY, "MODEL": "popularity"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "models"


@pytest.fixture(scope="module")
def trained_folder(shared_databases: Urls, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models in which one run has ended, after which none is due."""
    folder = tmp_path_factory.mktemp("trained") / "models"
    urls = {f"{name.upper()}_URL": url for name, url in shared_databases.items()}
    done = run_forked(
        ["-m", "recommender", "trainer", "--once"],
        environment(**urls, **QUICK, MODEL_PATH=str(folder)),
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def later_service(shared_databases: Urls, trained_folder: Path) -> Iterator[GunicornServer]:
    """A service that is started on a folder with a trained model; each test leaves it with one trainer."""
    with running_gunicorn(shared_databases, MODEL_PATH=str(trained_folder), **QUICK) as server:
        yield server


@pytest.fixture
def ending_service(shared_databases: Urls, trained_folder: Path, folder: Path) -> Iterator[GunicornServer]:
    """A service like that for one test, which ends it."""
    shutil.copytree(trained_folder, folder, symlinks=True, ignore=shutil.ignore_patterns(TRAINER_LOCK))
    with running_gunicorn(shared_databases, MODEL_PATH=str(folder), WORKERS="1", **QUICK) as server:
        yield server


@pytest.fixture
def trained_service(shared_databases: Urls, folder: Path) -> Iterator[GunicornServer]:
    with running_gunicorn(shared_databases, MODEL_PATH=str(folder), **QUICK) as server:
        yield server


def trainers(server: GunicornServer) -> list[psutil.Process]:
    """Return the trainers that were started and still run."""
    found = []
    for pid in re.findall(r"the trainer runs as process (\d+)", server.log.read_text()):
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(int(pid))
            if process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def the_trainer(server: GunicornServer) -> psutil.Process:
    wait_until(lambda: len(trainers(server)) == 1)
    return trainers(server)[0]


def wait_until_trained(folder: Path) -> None:
    wait_until(lambda: any(read_runs(folder, 1)))


def test_the_service_trains_and_uses_a_model_on_its_own(
    trained_service: GunicornServer, folder: Path
) -> None:
    assert trained_service.get("/ready").status == 200
    wait_until(lambda: trained_service.get("/ready").body["model"]["name"] == "popularity")
    wait_until_trained(folder)
    (run,) = read_runs(folder, 5)
    assert (run.outcome, run.trigger) == (TrainingOutcome.REFITTED, Trigger.FIRST_START)
    trainer = the_trainer(trained_service)
    assert trainer.pid not in trained_service.workers()
    wait_until(lambda: trained_service.value("marquee_training_last_success_timestamp_seconds") > 0)
    assert trained_service.value("marquee_training_failed") == 0
    assert trained_service.value("marquee_training_blocked") == 0


def test_a_killed_trainer_is_restarted_and_does_not_train_again(
    later_service: GunicornServer, trained_folder: Path
) -> None:
    first = the_trainer(later_service)
    workers = set(later_service.workers())
    first.kill()
    wait_until(lambda: bool(trainers(later_service)) and first not in trainers(later_service))
    assert set(later_service.workers()) == workers
    assert len(trainers(later_service)) == 1
    assert [run.number for run in read_runs(trained_folder, 5)] == [1]


def test_killed_workers_leave_one_trainer(later_service: GunicornServer) -> None:
    first = the_trainer(later_service)
    for worker in later_service.workers().values():
        worker.kill()
    wait_until(lambda: later_service.value("marquee_workers", {"status": "ready"}) == 2)
    assert trainers(later_service) == [first]


def test_a_reload_starts_a_trainer_with_the_new_settings(later_service: GunicornServer) -> None:
    first = the_trainer(later_service)
    later_service.process.send_signal(signal.SIGHUP)
    wait_until(lambda: bool(trainers(later_service)) and first not in trainers(later_service))
    assert len(trainers(later_service)) == 1


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_the_trainer_ends_with_the_service(
    ending_service: GunicornServer, folder: Path, how: signal.Signals
) -> None:
    the_trainer(ending_service)
    ending_service.process.send_signal(how)
    ending_service.process.wait(40)
    wait_until(lambda: not trainers(ending_service))
    wait_until(lambda: not is_held(folder / TRAINER_LOCK))


def test_a_stopped_service_ends_after_its_trainer(ending_service: GunicornServer) -> None:
    the_trainer(ending_service)
    assert ending_service.stop() == 0
    assert not trainers(ending_service)


def test_a_second_trainer_for_the_same_folder_does_not_start(
    later_service: GunicornServer, shared_databases: Urls, trained_folder: Path
) -> None:
    the_trainer(later_service)
    urls = {f"{name.upper()}_URL": url for name, url in shared_databases.items()}
    second = run_forked(
        ["-m", "recommender", "trainer"], environment(**urls, **QUICK, MODEL_PATH=str(trained_folder))
    )
    assert second.returncode == 1
    assert "another trainer is running already" in second.stderr


def test_two_services_on_one_folder_have_one_trainer_and_the_second_takes_over(
    ending_service: GunicornServer, shared_databases: Urls, folder: Path
) -> None:
    second = ending_service
    the_trainer(second)
    with running_gunicorn(shared_databases, MODEL_PATH=str(folder), WORKERS="1", **QUICK) as first:
        wait_until(lambda: first.get("/ready").body["model"]["name"] == "popularity")
        assert not trainers(first)
        second.process.kill()
        the_trainer(first)
    assert len(list(read_runs(folder, 5))) == 1


def test_without_a_writable_folder_live_sql_answers_and_the_log_says_so(
    shared_databases: Urls, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    path = str(tmp_path / "file" / "models")
    with running_gunicorn(shared_databases, MODEL_PATH=path, **DAILY) as server:
        wait_until(
            lambda: "no model is trained, because MODEL_PATH cannot be written" in server.log.read_text()
        )
        assert server.get("/ready").body["model"]["name"] == "live"
        wait_until(lambda: server.value("marquee_training_blocked") > 0)
        assert not trainers(server)


@pytest.mark.parametrize("variables", [{"MODEL": "live", **DAILY}, {"TRAINING_SCHEDULE": "never"}])
def test_no_trainer_starts_if_training_is_disabled(
    shared_databases: Urls, folder: Path, variables: dict[str, str]
) -> None:
    with running_gunicorn(shared_databases, MODEL_PATH=str(folder), **variables) as server:
        assert server.get("/ready").status == 200
        lock = take_trainer_lock(folder)
        assert lock is not None
        os.close(lock)
        assert server.value("marquee_training_blocked") == 0
        assert not trainers(server)
