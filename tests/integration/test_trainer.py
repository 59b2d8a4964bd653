"""A training run publishes only models that are significantly better, and failures do not change serving."""

import errno
import fcntl
import os
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path

import psycopg
import pytest

from recommender.entities import DatabaseName
from recommender.model_store import artifact
from recommender.model_store.artifact import Metadata
from recommender.model_store.currents import latest_published
from recommender.model_store.runs import TrainingOutcome, TrainingRun, Trigger, read_runs
from recommender.models.names import AUTO
from recommender.trainer.training_locks import RUN_LOCK
from tests.support.commands import Result, runner
from tests.support.forked import run_forked
from tests.support.postgres import Urls
from tests.support.small_disk import mounted_small_disk
from tests.support.tiny import Tiny

pytestmark = pytest.mark.slow

Train = Callable[..., Result]
NEIGHBOURS = "neighbours"
EXPERIMENT = """
[ranker.variants.live]
share = 0.5
model = "live"
[ranker.variants.tried]
share = 0.5
model = "{model}"
"""


@pytest.fixture
def command(run_on_models: Train, quick_models: None) -> Train:  # noqa: ARG001 - for its effect
    return run_on_models


@pytest.fixture
def train(command: Train) -> Train:
    return partial(command, "trainer", "--once")


def published(folder: Path) -> Metadata:
    found = latest_published(folder, AUTO)
    assert found is not None
    return found


def last_run(folder: Path) -> TrainingRun:
    return next(read_runs(folder, 1))


def execute(urls: Urls, statement: str) -> None:
    with psycopg.connect(urls[DatabaseName.ENGAGEMENT]) as connection:
        connection.execute(statement.encode())


def test_a_significantly_better_challenger_is_published_with_the_reason(
    command: Train, train: Train, folder: Path
) -> None:
    assert command("train", "popularity").status == 0
    result = train()
    assert (result.status, result.err) == (0, "")
    run, version = last_run(folder), published(folder)
    assert (run.outcome, run.trigger, run.number) == (TrainingOutcome.PUBLISHED, Trigger.COMMAND, 1)
    assert run.champion == "popularity 40/60"
    assert version.model != "popularity"
    assert (run.model, run.version, run.fingerprint) == (version.model, version.version, version.fingerprint)
    compared = {each.name: each for each in run.compared}
    assert {"windowed popularity", "neighbours 40/60", run.champion, run.chosen} == set(compared)
    assert run.chosen is not None
    against = compared[run.chosen].against_champion
    assert against is not None
    assert against.low > 0
    assert f"{run.chosen} is significantly better than popularity 40/60" in run.reason
    assert version.provenance.made_by == "trainer"
    assert version.provenance.run == 1
    assert version.provenance.blend is not None
    assert run.tried >= len(run.searched) > 1
    means = [each.mean for each in run.searched]
    assert means == sorted(means, reverse=True)
    assert run.chosen in {each.name for each in run.searched}
    measured = compared[run.chosen].metric
    assert measured is not None
    assert version.provenance.metrics["ndcg@10"] == (measured.mean, measured.low, measured.high)
    assert run.reason in result.out


def test_without_a_better_challenger_the_champion_is_trained_on_all_data(
    train: Train, databases: Urls, folder: Path
) -> None:
    assert train().status == 0
    before = published(folder)
    execute(
        databases,
        "INSERT INTO interaction SELECT 90000000 + n, gen_random_uuid(), media_id, type, 1.0, timestamp "
        "FROM (SELECT row_number() OVER () AS n, * FROM interaction ORDER BY id LIMIT 40) AS copied",
    )
    assert train().status == 0
    run, after = last_run(folder), published(folder)
    assert run.outcome is TrainingOutcome.REFITTED
    assert run.chosen == run.champion
    assert (after.model, after.hyperparameters) == (before.model, before.hyperparameters)
    assert after.provenance.blend == before.provenance.blend
    assert after.version > before.version
    assert after.counts["users"] > before.counts["users"]


def test_the_first_start_publishes_and_without_enough_data_says_so(
    tiny: Tiny, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for user in range(10, 15):
        tiny.add(user, 100 + user % 3, 5, kind="LIKE")
        tiny.add(user, 103, 10, kind="LIKE")
    run = runner(tiny.urls, monkeypatch, capsys)
    monkeypatch.setenv("MODEL_PATH", str(folder))
    assert run("trainer", "--once").status == 0
    assert (published(folder).model, last_run(folder).outcome) == (NEIGHBOURS, TrainingOutcome.REFITTED)
    assert "too little data to compare" in last_run(folder).reason


def test_a_configured_blend_is_not_learned(
    train: Train, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONTENT_WEIGHT", "0.25")
    assert train().status == 0
    run = last_run(folder)
    assert published(folder).provenance.blend is None
    weights = {each.content_weight for each in run.compared if each.model is not None}
    assert weights == {0.25}


def test_a_configured_model_is_trained_without_a_comparison(
    train: Train, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODEL", "popularity")
    assert train().status == 0
    assert (published(folder).model, last_run(folder).compared) == ("popularity", ())
    monkeypatch.setenv("MODEL", "live")
    assert train().status == 2


def test_a_model_of_an_experiment_is_trained_and_does_not_become_current(
    command: Train, train: Train, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "experiments.toml"
    path.write_text(EXPERIMENT.format(model="item_knn"))
    monkeypatch.setenv("EXPERIMENTS_PATH", str(path))
    monkeypatch.setenv("MODEL", "popularity")
    assert command("train", "popularity").status == 0
    assert command("train", "item_knn", "--keep-serving", "--set", "shrinkage=3").status == 0
    first = artifact.current_version(folder, "item_knn")
    assert published(folder).model == "popularity"
    assert train().status == 0
    second = artifact.current_version(folder, "item_knn")
    assert first is not None
    assert second is not None
    assert second > first
    learned = artifact.read_metadata(folder, "item_knn", second)
    assert (learned.provenance.made_by, learned.provenance.run) == ("trainer", 1)
    assert learned.hyperparameters["shrinkage"] == 3
    assert (published(folder).model, last_run(folder).model) == ("popularity", "popularity")


def test_an_experiment_model_that_cannot_be_trained_does_not_fail_the_run(
    train: Train, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "experiments.toml"
    path.write_text(EXPERIMENT.format(model="neighbours"))
    for variable, value in {"EXPERIMENTS_PATH": str(path), "MODEL": "popularity"}.items():
        monkeypatch.setenv(variable, value)
    (folder / "neighbours" / "current").mkdir(parents=True)
    assert train().status == 0
    assert (last_run(folder).outcome, last_run(folder).model) == (TrainingOutcome.REFITTED, "popularity")


@pytest.fixture
def first(train: Train, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Metadata:
    """Train and publish one model, without a comparison, which takes long."""
    with monkeypatch.context() as patch:
        patch.setenv("MODEL", NEIGHBOURS)
        assert train().status == 0
    return published(folder)


def test_a_failure_is_recorded_and_changes_nothing(
    train: Train, first: Metadata, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENGAGEMENT_DB_URL", "postgresql://localhost:1/nowhere")
    monkeypatch.setenv("POOL_TIMEOUT_MS", "100")
    result = train()
    assert result.status == 1
    assert (last_run(folder).outcome, last_run(folder).version) == (TrainingOutcome.FAILED, None)
    assert last_run(folder).reason == "engagement_db did not answer.", "nor its host"
    assert published(folder) == first


def test_a_record_of_a_failure_names_no_folder(train: Train, folder: Path) -> None:
    folder.mkdir()
    (folder / "forgotten.json").write_text("{")
    result = train()
    assert result.status == 1
    assert last_run(folder).reason.startswith("MODEL_PATH/forgotten.json was changed since `forget` wrote it")


def test_without_symbolic_links_a_run_fails_before_it_reads(
    train: Train, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, _target: object) -> None:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP), str(path))

    monkeypatch.setattr(Path, "symlink_to", refuse)
    assert train().status == 1
    run = last_run(folder)
    assert (run.outcome, run.counts) == (TrainingOutcome.FAILED, {})
    assert run.reason.startswith("the file system of MODEL_PATH does not support symbolic links (")


def test_shrunken_data_are_not_trained_on(
    train: Train, first: Metadata, databases: Urls, folder: Path
) -> None:
    execute(databases, "DELETE FROM interaction WHERE id % 5 <> 0")
    assert train().status == 1
    assert "fewer" in last_run(folder).reason
    assert published(folder) == first


def test_two_runs_do_not_train_at_the_same_time(train: Train, folder: Path) -> None:
    folder.mkdir()
    with (folder / RUN_LOCK).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        result = train()
    assert (result.status, result.out) == (1, "")
    assert "another training run is under way" in result.err
    assert not list(read_runs(folder, 1))


def test_a_read_only_folder_is_reported(
    command: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MODEL_PATH", str(tmp_path / "file" / "models"))
    result = command("trainer", "--once")
    assert result.status == 1
    assert "Not a directory" in result.err


# The first step of a run, and the last one before the version is visible.
STAGES = {
    "read": "from recommender.data import interactions as m; m.interactions_of = kill\n"
    "from recommender.evaluation import database_source as d; d.interactions_of = kill",
    "fit": "from recommender.models.user_knn import trained as m; m.build_arrays = kill",
    "save": "import numpy; numpy.save = kill",
    "rename": "import pathlib; pathlib.Path.rename = kill",
    "link": "import pathlib; pathlib.Path.symlink_to = kill",
}


@pytest.mark.parametrize("stage", STAGES)
def test_a_run_that_is_killed_changes_nothing_and_the_next_one_tidies_up(
    train: Train, folder: Path, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    monkeypatch.setenv("MODEL", NEIGHBOURS)
    assert train().status == 0
    before = published(folder)
    script = (
        "import os, signal\n"
        "kill = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"{STAGES[stage]}\n"
        "from recommender.cli.main import main\n"
        "main(['trainer', '--once'])\n"
    )
    killed = run_forked(["-c", script], os.environ)
    assert killed.returncode == -9
    assert published(folder) == before
    artifact.verify(folder / NEIGHBOURS / before.version, before)
    assert train().status == 0
    assert not list((folder / NEIGHBOURS).glob(".*.partial"))
    assert not list((folder / NEIGHBOURS).glob(".current.*"))
    assert published(folder).version > before.version


@pytest.mark.parametrize(("limit_mb", "warned"), [(None, False), (8_000, False), (4_400, True)])
def test_a_run_warns_of_a_limit_of_memory_below_what_it_may_take(
    train: Train,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    limit_mb: int | None,
    *,
    warned: bool,
) -> None:
    monkeypatch.setattr(
        "recommender.trainer.run.limit_bytes", lambda: None if limit_mb is None else limit_mb << 20
    )
    monkeypatch.setenv("MODEL", "popularity")
    assert train().status == 0
    said = "TRAINING_MEMORY_MB is 4096, but the limit of memory for this process is 4400 MB"
    assert (said in caplog.text) is warned


def ended_by(number: signal.Signals) -> int:
    """Return the exit status of a run that gets a signal while it learns."""
    script = (
        "import os, sys\n"
        "from recommender.models.user_knn import trained\n"
        f"trained.build_arrays = lambda *_, **__: os.kill(os.getpid(), {int(number)})\n"
        "from recommender.cli.main import main\n"
        "sys.exit(main(['trainer', '--once']))\n"
    )
    return run_forked(["-c", script], {**os.environ, "MODEL": NEIGHBOURS}).returncode


def test_a_run_that_is_killed_is_recorded_as_failed_by_the_next_one(train: Train, folder: Path) -> None:
    assert ended_by(signal.SIGKILL) == -signal.SIGKILL
    assert not any(read_runs(folder, 1))
    assert train().status == 0
    last, killed = read_runs(folder, 5)
    assert (last.number, killed.number, killed.outcome) == (2, 1, TrainingOutcome.FAILED)
    assert "without a record" in killed.reason


def test_a_run_that_is_stopped_by_a_signal_is_no_failed_one(train: Train, folder: Path) -> None:
    assert ended_by(signal.SIGTERM) == 128 + signal.SIGTERM
    assert train().status == 0
    assert [run.number for run in read_runs(folder, 5)] == [1]
    assert last_run(folder).outcome is not TrainingOutcome.FAILED


def test_on_a_full_disk_nothing_changes_and_the_next_run_publishes(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "disk").mkdir()
    with mounted_small_disk(tmp_path / "disk", "8m") as disk:
        monkeypatch.setenv("MODEL_PATH", str(disk.path / "models"))
        monkeypatch.setenv("MODEL", NEIGHBOURS)
        assert train().status == 0
        before = published(disk.path / "models")
        disk.fill()
        assert train().status == 1
        assert published(disk.path / "models") == before
        artifact.verify(disk.path / "models" / NEIGHBOURS / before.version, before)
        disk.empty()
        assert train().status == 0
        assert published(disk.path / "models").version > before.version


@pytest.fixture
def tiny(empty_databases: Urls) -> Tiny:
    return Tiny(empty_databases)
