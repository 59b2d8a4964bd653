"""recommendation_db is migrated up and down, filled at each publication, and cleaned by `forget`."""

import re
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psycopg
import pytest
from psycopg import sql

from config.setting_types import ROOT
from recommender.data.dataset import Dataset
from recommender.databases import migrations
from recommender.databases.loading import WritableDatabase
from recommender.demo.embedded import PostgresServer, server_url
from recommender.model_store import artifact
from recommender.model_store.currents import read_currents
from recommender.models.als import Als
from recommender.training.publication_records import recording_in
from recommender.training.train import train
from tests.support.commands import Result, runner
from tests.support.datasets import dataset
from tests.support.postgres import Urls, maintenance
from tests.support.statements import execute, rows

Run = Callable[..., Result]
# Trains quickly: no kernels, and few factors.
FACTORS = 4
ALS = ("train", "als", "--set", f"factors={FACTORS}", "--set", "iterations=1")
TABLES = {"model_artifacts", "user_features"}


@pytest.fixture
def url(server: PostgresServer) -> Iterator[str]:
    name = f"own_{uuid.uuid4().hex[:8]}"
    with maintenance(server) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    yield server_url(server, name)
    with maintenance(server) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "models"


@pytest.fixture
def run(
    shared_databases: Urls,
    folder: Path,
    url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    run = runner(shared_databases, monkeypatch, capsys)
    monkeypatch.setenv("MODEL_PATH", str(folder))
    monkeypatch.setenv("RECOMMENDATION_DB_URL", url)
    return run


def relations(url: str) -> set[object]:
    """Return all relations that are not PostgreSQL's own."""
    return {name for (name,) in rows(url, "SELECT relname FROM pg_class WHERE oid >= 16384")}


def current(folder: Path) -> str:
    return str(artifact.current_version(folder, "als"))


def test_migrations_create_all_tables_and_remove_them_again(run: Run, url: str) -> None:
    before = relations(url)
    assert "made: 0001_create_tables" in run("migrate", "up").out
    assert relations(url) >= TABLES
    assert "nothing to do" in run("migrate", "up").out
    assert "reverted: 0001_create_tables" in run("migrate", "down").out
    assert relations(url) == before
    assert run("migrate", "down").status == 0
    assert relations(url) == before
    assert run("migrate", "up").status == 0


@pytest.fixture
def newer_migrations(tmp_path: Path) -> Path:
    """The migrations of a newer release, which has one more."""
    found = tmp_path / "migrations"
    shutil.copytree(migrations.FOLDER, found)
    (found / "0002_add_notes.sql").write_text("CREATE TABLE model_notes (id int PRIMARY KEY);")
    (found / "0002_add_notes.rollback.sql").write_text("DROP TABLE model_notes;")
    return found


def test_migrations_of_a_newer_release_are_left_to_that_release(
    run: Run, url: str, newer_migrations: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = relations(url)
    with monkeypatch.context() as newer:
        newer.setattr(migrations, "FOLDER", newer_migrations)
        assert run("migrate", "up").status == 0
    applied = relations(url)
    refused = run("migrate", "down")
    assert refused.status == 1
    assert "a newer release has applied 0002_add_notes: run `migrate down` with that release" in refused.err
    assert relations(url) == applied
    with monkeypatch.context() as newer:
        newer.setattr(migrations, "FOLDER", newer_migrations)
        assert "nothing to do" in run("migrate", "up").out
        assert run("migrate", "down").status == 0
    assert relations(url) == before


def test_the_tables_of_the_tool_stay_if_a_migration_was_applied_meanwhile(
    run: Run, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("migrate", "up")
    enter = WritableDatabase.__enter__

    def apply_first(database: WritableDatabase) -> WritableDatabase:
        if not relations(url) & TABLES:
            monkeypatch.setattr(WritableDatabase, "__enter__", enter)
            assert run("migrate", "up").status == 0
        return enter(database)

    monkeypatch.setattr(WritableDatabase, "__enter__", apply_first)
    assert "reverted: 0001_create_tables" in run("migrate", "down").out
    assert relations(url) >= TABLES
    assert "reverted: 0001_create_tables" in run("migrate", "down").out
    assert not relations(url) & TABLES


def test_published_models_can_be_queried(run: Run, url: str, folder: Path) -> None:
    run("migrate", "up")
    assert run(*ALS).status == 0
    assert run("train", "popularity").status == 0
    metadata = artifact.read_metadata(folder, "als", current(folder))
    (row,) = rows(
        url,
        "SELECT version, (hyperparameters ->> 'factors')::int, (counts ->> 'users')::int, "
        "fingerprint ->> 'ids_checksum', code_version, made_by, is_current "
        "FROM model_artifacts WHERE model = 'als'",
    )
    assert row == (
        metadata.version,
        FACTORS,
        metadata.counts["users"],
        metadata.fingerprint.ids_checksum,
        metadata.code_version,
        "train",
        True,
    )
    features = rows(url, "SELECT model, version, cardinality(embedding) FROM user_features")
    assert features == [("als", metadata.version, FACTORS)] * metadata.counts["users"]


def test_without_tables_the_warning_names_the_command_that_makes_them(run: Run) -> None:
    trained = run("train", "popularity")
    assert trained.status == 0
    assert "run `python -m recommender migrate up`" in trained.err


def test_an_embedding_times_the_factors_of_an_item_is_its_score(run: Run, url: str, folder: Path) -> None:
    run("migrate", "up")
    run(*ALS)
    model = Als.load(folder / "als" / current(folder))
    factors = np.load(folder / "als" / current(folder) / "factors.npy")
    assert len(factors) == len(model.items)
    found = rows(url, "SELECT embedding FROM user_features ORDER BY user_id LIMIT 20")
    scores = np.array([embedding for (embedding,) in found]) @ factors.T
    assert np.isfinite(scores).all()
    assert (scores.max(axis=1) > 0).all()


def test_rows_of_removed_versions_are_deleted(run: Run, url: str, folder: Path) -> None:
    run("migrate", "up")
    for _ in range(4):
        assert run(*ALS).status == 0
    kept = sorted(path.name for path in (folder / "als").iterdir() if path.name.startswith("2"))
    assert len(kept) == 3
    noted = rows(url, "SELECT version, is_current FROM model_artifacts ORDER BY version")
    assert noted == [(kept[0], False), (kept[1], False), (kept[2], True)]
    assert rows(url, "SELECT DISTINCT version FROM user_features ORDER BY 1") == [(each,) for each in kept]


def test_a_user_who_is_forgotten_is_in_no_row(run: Run, url: str, folder: Path) -> None:
    run("migrate", "up")
    run(*ALS)
    ((user, users),) = rows(url, "SELECT min(user_id), count(*) FROM user_features")
    assert run("forget", user).status == 0
    found = rows(url, "SELECT version, user_id FROM user_features")
    assert {version for version, _ in found} == {current(folder)}
    assert len(found) == users - 1  # type: ignore[operator]
    assert user not in {user_id for _, user_id in found}


def noted(url: str) -> dict[object, object]:
    """Return the versions of als by name, and whether each is current."""
    return dict(rows(url, "SELECT version, is_current FROM model_artifacts WHERE model = 'als'"))  # type: ignore[arg-type]


def test_the_promoted_or_restored_version_is_marked_current(run: Run, url: str, folder: Path) -> None:
    run("migrate", "up")
    run(*ALS)
    first = current(folder)
    run(*ALS)
    second = current(folder)
    run("train", "popularity")
    embeddings = rows(url, "SELECT version, count(*) FROM user_features GROUP BY version ORDER BY version")
    for command, is_first in (
        (("promote", first), True),
        (("promote", second), False),
        (("rollback",), True),
    ):
        result = run("models", *command)
        assert (result.status, result.err) == (0, "")
        assert noted(url) == {first: is_first, second: not is_first}
    # Earlier rows and the other model do not change.
    query = "SELECT version, count(*) FROM user_features GROUP BY version ORDER BY version"
    assert rows(url, query) == embeddings
    assert rows(url, "SELECT is_current FROM model_artifacts WHERE model = 'popularity'") == [(True,)]


def test_a_version_that_does_not_become_current_is_recorded_and_the_chosen_one_stays_current(
    run: Run, url: str, folder: Path
) -> None:
    run("migrate", "up")
    run(*ALS)
    first = current(folder)
    run(*ALS)
    began = read_currents(folder)

    def rolled_back_meanwhile() -> Dataset:
        run("models", "rollback")
        return dataset({f"{user:04}": [f"{item:04}" for item in range(user % 3, 6)] for user in range(30)})

    trained = train(
        "als",
        folder,
        rolled_back_meanwhile,
        accept_shrinkage=True,
        hyperparameters={"factors": FACTORS, "iterations": 1},
        since=began,
        record=recording_in(url, pytest.fail),
    )
    assert current(folder) == first
    assert noted(url)[first] is True
    assert noted(url)[trained.version] is False


def test_rows_of_pruned_versions_are_deleted(run: Run, url: str, folder: Path) -> None:
    run("migrate", "up")
    for _ in range(3):
        run(*ALS)
    run("train", "popularity")
    before = set(noted(url))
    result = run("models", "prune", "--keep", "1")
    assert (result.status, result.err) == (0, "")
    kept = {path.name for path in (folder / "als").iterdir() if path.name.startswith("2")}
    assert len(kept) < len(before) == 3
    assert set(noted(url)) == kept
    assert {version for (version,) in rows(url, "SELECT DISTINCT version FROM user_features")} == kept
    assert len(rows(url, "SELECT * FROM model_artifacts WHERE model = 'popularity'")) == 1


def test_pruning_a_missing_folder_deletes_no_row(
    run: Run, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("migrate", "up")
    run(*ALS)
    monkeypatch.setenv("MODEL_PATH", str(tmp_path / "elsewhere"))
    assert run("models", "prune", "--keep", "0").status == 0
    assert len(noted(url)) == 1


def test_without_the_database_the_store_changes_and_a_warning_says_how_to_catch_up(
    run: Run, url: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("migrate", "up")
    found = []
    for _ in range(3):
        run(*ALS)
        found.append(current(folder))
    monkeypatch.setenv("RECOMMENDATION_DB_URL", "postgresql://localhost:1/nowhere")
    for command, now in ((("promote", found[0]), found[0]), (("rollback",), found[2])):
        result = run("models", *command)
        assert result.status == 0
        assert f"als {now} is current" in result.out
        assert current(folder) == now
        assert len(result.err.splitlines()) == 1
        assert f"Warning: recommendation_db does not say that als {now} is current: " in result.err
        assert f"`python -m recommender models promote {now}` repeats it." in result.err
    run("models", "promote", found[1])
    run("models", "promote", found[2])
    pruned = run("models", "prune", "--keep", "1")
    assert pruned.status == 0
    assert pruned.out == f"Removed als {found[0]}.\n"
    assert "Warning: recommendation_db still has rows of versions that were removed: " in pruned.err
    assert noted(url) == {found[0]: False, found[1]: False, found[2]: True}
    monkeypatch.setenv("RECOMMENDATION_DB_URL", url)
    assert run("models", "prune", "--keep", "1").err == ""
    assert set(noted(url)) == set(found[1:])


def test_promoting_an_unrecorded_version_records_it(
    run: Run, url: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECOMMENDATION_DB_URL", "")
    run(*ALS)
    version = current(folder)
    monkeypatch.setenv("RECOMMENDATION_DB_URL", url)
    run("migrate", "up")
    run(*ALS)
    assert set(noted(url)) == {current(folder)}
    assert run("models", "promote", version).err == ""
    assert noted(url)[version] is True
    users = artifact.read_metadata(folder, "als", version).counts["users"]
    assert (version, users) in rows(url, "SELECT version, (counts ->> 'users')::int FROM model_artifacts")


@pytest.mark.parametrize("wrong", ["postgresql://localhost:1/nowhere", "without tables"])
def test_a_database_that_cannot_be_written_is_a_warning(
    run: Run, folder: Path, wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if wrong != "without tables":
        monkeypatch.setenv("RECOMMENDATION_DB_URL", wrong)
    result = run(*ALS)
    assert result.status == 0
    assert (
        f"Warning: als {current(folder)} is published, but recommendation_db does not have it: "
        "recommendation_db" in result.err
    )
    told = run("forget", str(uuid.uuid4()))
    assert told.status == 3
    assert "recommendation_db still holds data of these users" in told.err


def test_migrating_without_a_url_or_to_a_wrong_one_says_so(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECOMMENDATION_DB_URL", "postgresql://localhost:1/nowhere")
    refused = run("migrate", "up")
    assert refused.status == 1
    assert "recommendation_db" in refused.err
    monkeypatch.setenv("RECOMMENDATION_DB_URL", "")
    assert "RECOMMENDATION_DB_URL is not set" in run("migrate", "up").err


@pytest.fixture
def role(server: PostgresServer) -> Iterator[str]:
    """Create a role that may connect, and nothing else yet."""
    name = f"own_{uuid.uuid4().hex[:8]}"
    with maintenance(server) as connection:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(name)))
    yield name
    with maintenance(server) as connection:
        connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


@pytest.fixture
def as_role(url: str, role: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Let the following commands connect as the role, with options of the URL."""

    def connect_so(options: str) -> None:
        monkeypatch.setenv("RECOMMENDATION_DB_URL", url.replace("postgres@", f"{role}@") + options)

    return connect_so


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ("", "may not create tables in the schema public"),
        ("?options=-csearch_path%3Dnowhere", "none of the schemas in the search path exists"),
        ("?options=-cdefault_transaction_read_only%3Don", "the session is read-only"),
    ],
)
def test_a_role_that_may_not_migrate_gets_a_reason(
    as_role: Callable[[str], None], run: Run, url: str, options: str, reason: str
) -> None:
    before = relations(url)
    as_role(options)
    for direction in ("up", "down"):
        result = run("migrate", direction)
        assert result.status == 1
        assert reason in result.err
        assert "yoyo" not in result.err
    assert relations(url) == before


def test_a_leftover_migration_lock_is_reported_with_its_remedy(run: Run, url: str) -> None:
    run("migrate", "up")
    execute(url, "INSERT INTO yoyo_lock (locked, ctime, pid) VALUES (1, now(), 999999)")
    refused = run("migrate", "down")
    assert refused.status == 1
    assert "process 999999" in refused.err
    (statement,) = re.findall(r"`(DELETE [^`]+)`", refused.err)
    assert relations(url) >= TABLES
    execute(url, statement)
    assert run("migrate", "down").status == 0


def test_removing_tables_in_use_times_out(run: Run, url: str) -> None:
    run("migrate", "up")
    with psycopg.connect(url) as connection:
        connection.execute("SELECT count(*) FROM user_features")
        refused = run("migrate", "down")
    assert refused.status == 1
    assert "lock timeout" in refused.err
    assert relations(url) >= TABLES
    assert run("migrate", "down").status == 0


def test_a_role_with_the_documented_grants_does_all_but_migrate(
    as_role: Callable[[str], None], run: Run, url: str, role: str, folder: Path
) -> None:
    run("migrate", "up")
    guide = (ROOT / "docs" / "how-to" / "publish-to-a-database.md").read_text()
    (grant,) = re.findall(r"^ {4}(GRANT .*) TO marquee_writer;$", guide, re.MULTILINE)
    execute(url, f"{grant} TO {role}")
    as_role("")
    for command in (ALS, ALS, ("models", "rollback"), ("models", "prune", "--keep", "0")):
        result = run(*command)
        assert result.status == 0
        assert "Warning" not in result.err
    ((user,),) = rows(url, "SELECT min(user_id) FROM user_features")
    assert run("forget", str(user)).status == 0
    assert noted(url) == {current(folder): True}
    execute(url, f"DROP OWNED BY {role}")
