"""`train` publishes nothing empty or shrunken, counts versions upwards, and removes only its own files."""

import fcntl
import os
import re
import stat
from collections.abc import Callable
from functools import partial
from pathlib import Path

import psycopg
import pytest

from recommender.databases.engagement_db import EngagementDatabase
from recommender.databases.patient import patient_database
from recommender.entities import DatabaseName
from recommender.model_store import artifact
from tests.support.clients import settings_for
from tests.support.commands import Result, runner
from tests.support.forked import run_forked
from tests.support.postgres import Urls
from tests.support.training import NAME, change_metadata, copy_version, make_current, train_on, versions_in

ENGAGEMENT = DatabaseName.ENGAGEMENT
LATER, LAST = "20990101T000000.000000Z", "99991231T235959.999999Z"

Train = Callable[..., Result]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "models"


@pytest.fixture
def train(
    databases: Urls, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Train:
    run = runner(databases, monkeypatch, capsys)
    monkeypatch.setenv("MODEL_PATH", str(folder))
    return partial(run, "train", "neighbours")


@pytest.fixture
def train_ease(
    databases: Urls, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Train:
    run = runner(databases, monkeypatch, capsys)
    monkeypatch.setenv("MODEL_PATH", str(folder))
    return partial(run, "train", "ease")


def execute(databases: Urls, statement: str) -> None:
    with psycopg.connect(databases[ENGAGEMENT]) as connection:
        connection.execute(statement.encode())


def current(folder: Path) -> str | None:
    return artifact.current_version(folder, NAME)


@pytest.mark.parametrize("option", [[], ["--accept-shrinkage"]])
@pytest.mark.parametrize(
    "emptied",
    ["TRUNCATE interaction", "UPDATE interaction SET timestamp = timestamp - interval '1 year'"],
)
def test_an_empty_window_publishes_nothing(
    train: Train, databases: Urls, folder: Path, emptied: str, option: list[str]
) -> None:
    assert train().status == 0
    version = current(folder)
    execute(databases, emptied)
    result = train(*option)
    assert (result.status, result.out) == (1, "")
    assert "no likes or watches" in result.err
    assert current(folder) == version
    assert versions_in(folder) == [version]


def test_an_empty_table_publishes_no_first_model(train: Train, databases: Urls, folder: Path) -> None:
    execute(databases, "TRUNCATE interaction")
    assert train().status == 1
    assert current(folder) is None


@pytest.mark.parametrize(
    ("lost", "what"),
    [
        ("user_id IN (SELECT user_id FROM interaction GROUP BY 1 ORDER BY 1 LIMIT 200)", "users"),
        ("id % 5 <> 0", "pairs"),
    ],
)
def test_a_model_that_lost_more_than_half_is_published_on_request_only(
    train: Train, databases: Urls, folder: Path, lost: str, what: str
) -> None:
    train()
    version = current(folder)
    execute(databases, f"DELETE FROM interaction WHERE {lost}")  # noqa: S608 - the test's own words
    result = train()
    assert (result.status, result.out) == (1, "")
    assert f"% fewer {what} than neighbours {version} has" in result.err
    assert "--accept-shrinkage" in result.err
    assert versions_in(folder) == [version]
    assert train("--accept-shrinkage").status == 0
    assert versions_in(folder) == [version, current(folder)]
    assert train().status == 0, "it is the smaller one that is compared with now"


def test_a_model_that_lost_less_than_half_is_published(train: Train, databases: Urls, folder: Path) -> None:
    train()
    version = current(folder)
    execute(databases, "DELETE FROM interaction WHERE id % 5 = 0")
    assert train().status == 0
    assert current(folder) != version


def test_without_a_readable_current_version_the_newest_is_compared_with(
    train: Train, databases: Urls, folder: Path
) -> None:
    train()
    make_current(folder, "20200101T000000.000000Z")
    execute(databases, "DELETE FROM interaction WHERE id % 5 <> 0")
    assert "fewer" in train().err


def test_versions_increase_with_any_clock(train: Train, folder: Path) -> None:
    """A clock that was set back leaves versions with future times."""
    train()
    first = current(folder)
    assert first is not None
    copy_version(folder, first, LATER)
    make_current(folder, LATER)
    for _ in range(3):
        before = current(folder)
        assert before is not None
        assert train().status == 0
        after = current(folder)
        assert after is not None
        assert after > before
        assert versions_in(folder)[-2:] == [before, after]
        assert artifact.read_metadata(folder, NAME, after).built_at < "2099"


def test_versions_increase_from_a_current_version_without_a_folder(train: Train, folder: Path) -> None:
    train()
    make_current(folder, LATER)
    assert train().status == 0
    after = current(folder)
    assert after is not None
    assert after > LATER
    assert (folder / NAME / after).is_dir()


def test_the_latest_possible_version_name_is_an_error(train: Train, folder: Path) -> None:
    train()
    first = current(folder)
    assert first is not None
    copy_version(folder, first, LAST)
    result = train()
    assert result.status == 1
    assert f"{LAST}: its name is the latest that is possible" in result.err
    assert current(folder) == first


def test_two_runs_do_not_publish_at_the_same_time(train: Train, folder: Path) -> None:
    train()
    version = current(folder)
    with (folder / NAME / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        result = train()
    assert (result.status, result.out) == (1, "")
    assert "another run is training this model" in result.err
    assert current(folder) == version
    assert train().status == 0


def test_leftovers_of_a_killed_run_are_removed_and_nothing_else(train: Train, folder: Path) -> None:
    train()
    home = folder / NAME
    partial_folder = home / ".20250101T000000.000000Z.partial"
    partial_folder.mkdir()
    (partial_folder / "values.npy").write_bytes(b"half")
    link = home / ".current.20250101T000000.000000Z"
    link.symlink_to("20250101T000000.000000Z")
    foreign = [
        "00-notes",
        "backup",
        ".mine.partial",
        "20250101T000000.000000Z.old",
        "99999999T999999.000000Z",
    ]
    for name in foreign:
        (home / name).mkdir()
        (home / name / "values.npy").write_bytes(b"mine")
    (home / "elsewhere").symlink_to("backup")
    for _ in range(3):
        assert train().status == 0
    assert not partial_folder.exists()
    assert not link.is_symlink()
    assert all((home / name / "values.npy").read_bytes() == b"mine" for name in foreign)
    assert (home / "elsewhere").is_symlink()


def test_foreign_files_in_an_old_version_stay(train: Train, folder: Path) -> None:
    train()
    first = current(folder)
    assert first is not None
    (folder / NAME / first / "notes.txt").write_text("mine")
    for _ in range(3):
        assert train().status == 0
    assert [path.name for path in (folder / NAME / first).iterdir()] == ["notes.txt"]


def test_a_run_killed_while_writing_leaves_nothing_permanent(train: Train, folder: Path) -> None:
    train()
    version = current(folder)
    script = (
        "import os, signal, numpy\n"
        "numpy.save = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)\n"
        "from recommender.cli.main import main\n"
        "main(['train', 'neighbours'])\n"
    )
    killed = run_forked(["-c", script], os.environ)
    assert killed.returncode < 0
    assert list((folder / NAME).glob(".*.partial"))
    assert current(folder) == version
    assert train().status == 0
    assert not list((folder / NAME).glob(".*.partial"))


def test_published_files_are_readable_for_others_with_any_umask(
    databases: Urls, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    umask = os.umask(0o077)
    try:
        version = train_on(databases, folder, monkeypatch)
    finally:
        os.umask(umask)
    home = folder / NAME / version
    for path in (folder.parent, folder, folder / NAME, home):
        assert stat.S_IMODE(path.stat().st_mode) & 0o755 == 0o755, path.name
    for path in home.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o644, path.name


def test_the_rights_of_an_existing_folder_stay(
    databases: Urls, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.mkdir(parents=True, mode=0o750)
    folder.chmod(0o750)
    train_on(databases, folder, monkeypatch)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o750


def test_a_current_that_is_no_link_is_not_overwritten(train: Train, folder: Path) -> None:
    (folder / NAME / "current").mkdir(parents=True)
    result = train()
    assert result.status == 1
    assert "is not a symbolic link" in result.err
    assert versions_in(folder) == []


def test_the_metadata_says_whether_shrinkage_was_accepted(
    databases: Urls, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for options, accepted in (((), False), (("--accept-shrinkage",), True)):
        version = train_on(databases, folder, monkeypatch, *options)
        assert artifact.read_metadata(folder, NAME, version).shrinkage_accepted is accepted


def test_metadata_without_the_flag_can_be_read(
    databases: Urls, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = train_on(databases, folder, monkeypatch)
    path = folder / NAME / version / "metadata.json"
    path.write_text(path.read_text().replace('"shrinkage_accepted"', '"something_else"'))
    change_metadata(path.parent, format=artifact.FORMAT)
    assert artifact.read_metadata(folder, NAME, version).shrinkage_accepted is False


@pytest.mark.parametrize(("prepared_statements", "expected"), [("true", 1), ("false", 0)])
def test_training_prepares_statements_only_if_the_settings_allow_it(
    databases: Urls, tmp_path: Path, prepared_statements: str, expected: int
) -> None:
    (tmp_path / ENGAGEMENT).mkdir()
    (tmp_path / ENGAGEMENT / "count_active_users.sql").write_text(
        "-- name: count_active_users()\nSELECT count(*) AS user_count FROM pg_prepared_statements;\n"
    )
    settings = settings_for(databases, SQL_PATH=str(tmp_path), PREPARED_STATEMENTS=prepared_statements)
    with patient_database(ENGAGEMENT, settings.databases) as database:
        assert EngagementDatabase(database).count_active_users("-infinity") == expected


def test_a_model_that_leaves_items_out_says_how_many_it_knows(train: Train, train_ease: Train) -> None:
    told = train_ease("--set", "items=20").out
    assert "It can score 20 of the media" in told
    assert "TRAINING_MEMORY_MB" in told
    assert "It can score" not in train().out


def test_a_model_that_needs_more_memory_than_allowed_is_refused_with_both_figures(
    train_ease: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRAINING_MEMORY_MB", "1")
    refused = train_ease()
    assert refused.status == 1
    assert re.search(r"ease needs about [0-9,]+ MB .* TRAINING_MEMORY_MB allows 1", refused.err)
