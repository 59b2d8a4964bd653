"""SQL files under SQL_PATH that nothing reads are refused with their path."""

import os
from pathlib import Path

import pytest

from recommender.databases.queries import load_queries
from recommender.errors import ConfigurationError

TEXT = "-- name: fetch_histories()\nSELECT 1;"


def write(folder: Path, name: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(TEXT)
    return path


@pytest.mark.parametrize(
    "name",
    [
        "engagment_db/fetch_histories.sql",
        "fetch_histories.sql",
        "session/set_settings.sql",
        "optional/engagement_db/stream_exposures.sql",
        "recommendation_db/migrations/1.sql",
        "engagement_db/old/fetch_histories.sql",
        "engagement_db/fetch_histories.SQL",
        "sql/engagement_db/fetch_histories.sql",
    ],
)
def test_a_file_that_nothing_reads_is_refused(tmp_path: Path, name: str) -> None:
    path = write(tmp_path, name)
    with pytest.raises(ConfigurationError, match="is not read") as caught:
        load_queries("user_db", tmp_path)
    assert str(path) in str(caught.value)


def test_other_files_and_hidden_folders_may_be_anywhere(tmp_path: Path) -> None:
    """Mounted folders have hidden copies of their files, and editors and Git keep theirs."""
    taken = write(tmp_path, "engagement_db/..2026_11_28/fetch_histories.sql")
    (tmp_path / "engagement_db" / "fetch_histories.sql").symlink_to(taken)
    for name in ("README.md", "attributes.toml", ".git/fetch.sql", "engagement_db/.fetch_users.sql.swp"):
        write(tmp_path, name)
    assert load_queries("user_db", tmp_path) == load_queries("user_db")
    assert load_queries("engagement_db", tmp_path)["fetch_histories"].statement == b"SELECT 1;"


def test_a_folder_may_be_linked(tmp_path: Path) -> None:
    write(tmp_path, "elsewhere/fetch_histories.sql")
    overlay = tmp_path / "overlay"
    overlay.mkdir()
    (overlay / "engagement_db").symlink_to(tmp_path / "elsewhere")
    assert load_queries("engagement_db", overlay)["fetch_histories"].statement == b"SELECT 1;"
    (overlay / "engagment_db").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigurationError, match="engagment_db"):
        load_queries("engagement_db", overlay)


@pytest.mark.parametrize("name", ["user_db", "."])
def test_a_folder_that_cannot_be_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    folder = write(tmp_path, "user_db/README.md").parent.parent / name
    scan = os.scandir

    def refused(path: str | os.PathLike[str]) -> object:
        # The superuser, who may run the tests, can read every folder.
        if Path(path) == folder:
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refused)
    with pytest.raises(ConfigurationError, match="Permission denied") as caught:
        load_queries("engagement_db", tmp_path)
    assert str(folder) in str(caught.value)


def test_a_file_in_place_of_a_folder_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "user_db")
    with pytest.raises(ConfigurationError, match="cannot be read") as caught:
        load_queries("engagement_db", tmp_path)
    assert str(path) in str(caught.value)
