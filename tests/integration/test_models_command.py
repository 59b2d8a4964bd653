"""`models`: what its commands print and change, and their errors."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from recommender.entities import Blend, DatabaseName, Weights
from recommender.model_store.artifact import current_version
from recommender.model_store.currents import VersionRef, linked_version
from recommender.model_store.locks import model_lock
from recommender.model_store.runs import TrainingOutcome
from recommender.model_store.store import list_versions
from recommender.training.forgetting import note_forgotten
from tests.support.commands import Result, Run, runner
from tests.support.forked import run_forked
from tests.support.processes import environment
from tests.support.small_disk import mounted_small_disk
from tests.support.training import change_metadata, publish_made_up, record_run

POPULARITY, CONTENT = "popularity", "content"
# No test here uses a database.
NOWHERE = dict.fromkeys(DatabaseName, "postgresql://nobody@127.0.0.1:1/nowhere")
UNKNOWN = "20200101T000000.000000Z"
BY_VERSION = ("show", "promote")
_INTO_A_CLOSED_PIPE = """
import os, sys
reading, writing = os.pipe()
os.close(reading)
os.dup2(writing, 1)
from recommender.cli.main import main
sys.exit(main(["models", *sys.argv[1:]]))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "models"


@pytest.fixture
def models(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    run = runner(NOWHERE, monkeypatch, capsys)
    monkeypatch.setenv("MODEL_PATH", str(folder))

    def run_models(*arguments: object) -> Result:
        return run("models", *arguments)

    return run_models


@pytest.fixture
def read_only(folder: Path) -> Iterator[Path]:
    """Make a folder of models on a disk that cannot be written."""
    folder.mkdir()
    with mounted_small_disk(folder, "8m"):
        publish_made_up(folder, POPULARITY)
        publish_made_up(folder, CONTENT)
        record_run(folder, 1)
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)  # noqa: S603, S607 - as root
        yield folder


def cells(line: str) -> list[str]:
    return [cell for cell in line.split("  ") if cell]


def lines_of(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in cells(line)] for line in text.splitlines()]


def damage(folder: Path, ref: VersionRef) -> None:
    array = next((folder / ref.model / ref.version).glob("*.npy"))
    array.write_bytes(array.read_bytes() + b"x")


def test_the_list_says_which_version_serves_what(models: Run, folder: Path) -> None:
    old, current_of_model, before, now = [
        publish_made_up(folder, name) for name in (CONTENT, CONTENT, POPULARITY, POPULARITY)
    ]
    result = models("list")
    assert (result.status, result.err) == (0, "")
    head, *rows = lines_of(result.out)
    assert head == ["version", "model", "in use", "made by", "users", "media", "pairs"]
    assert rows == [
        [now.version, POPULARITY, "current", "test", "100", "20", "500"],
        [before.version, POPULARITY, "before", "test", "100", "20", "500"],
        [current_of_model.version, CONTENT, "MODEL=content", "test", "100", "20", "500"],
        [old.version, CONTENT, "test", "100", "20", "500"],
    ]


def test_the_list_says_why_a_version_cannot_be_used(models: Run, folder: Path) -> None:
    damaged, forgetful = publish_made_up(folder, CONTENT), publish_made_up(folder, POPULARITY)
    (folder / damaged.model / damaged.version / "metadata.json").write_text("{")
    note_forgotten(folder, ["0001"])
    result = models("list")
    assert result.status == 0
    _, first, second = result.out.splitlines()
    assert forgetful.version in first
    assert first.endswith("it was made before a user was forgotten: run `forget` again, or train")
    assert damaged.version in second
    assert "?" in second
    assert "metadata.json is not valid" in second


def test_the_list_warns_of_a_current_that_names_nothing(models: Run, folder: Path) -> None:
    first, second = publish_made_up(folder, CONTENT), publish_made_up(folder, POPULARITY)
    shutil.rmtree(folder / second.model / second.version)
    result = models("list")
    assert result.err == f"Warning: current names {second}, which does not exist.\n"
    assert first.version in result.out
    (folder / "current").unlink()
    (folder / "current").symlink_to("elsewhere")
    (folder / POPULARITY / "current").unlink()
    (folder / POPULARITY / "current").mkdir()
    result = models("list")
    assert result.status == 0
    assert "current of all models links to something that is not a version of a model" in result.err
    assert "popularity: current cannot be read as a symbolic link" in result.err


@pytest.mark.parametrize("place", ["", "file/models"])
def test_an_empty_store_is_reported_and_not_created(
    models: Run, tmp_path: Path, folder: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if MODEL_PATH is below a file."""
    (tmp_path / "file").touch()
    where = tmp_path / place if place else folder
    monkeypatch.setenv("MODEL_PATH", str(where))
    assert (
        models("list").out == f"There are no versions in {where}. `python -m recommender train` makes one.\n"
    )
    assert models("history").out == "No training run is recorded.\n"
    assert models("prune").out == "There is nothing to remove.\n"
    for command in BY_VERSION:
        result = models(command, UNKNOWN)
        assert result.status == 1
        assert f"{UNKNOWN}: there is no such version in {where}" in result.err
    result = models("rollback")
    assert result.status == 1
    assert result.err == f"Error: {where}: no earlier version can be made current again.\n"
    assert not where.exists()


def test_a_version_is_shown_with_all_its_metadata(models: Run, folder: Path) -> None:
    ref = publish_made_up(folder, POPULARITY, blend=Blend(Weights(0.25, 0.75), "profile"), accepted=True)
    result = models("show", ref.version)
    assert (result.status, result.err) == (0, "")
    shown = {name: rest for name, *rest in lines_of(result.out)}
    (version,) = list_versions(folder)
    assert version.metadata is not None
    assert shown["version"] == [ref.version]
    assert shown["model"] == [POPULARITY]
    assert shown["in use"] == ["current"]
    assert shown["built at"] == [version.metadata.built_at]
    assert shown["made by"] == [f"test on {version.metadata.host}"]
    assert shown["training run"] == ["1"]
    assert shown["weights"] == ["0.25 content (profile), 0.75 collaborative"]
    assert shown["ndcg@10"] == ["0.2000 (0.1000 to 0.3000)"]
    assert shown["users"] == ["100"]
    assert shown["known media"] == ["20"]
    assert shown["checksum of ids"] == [version.metadata.fingerprint.ids_checksum]
    assert shown["shrinkage"] == ["accepted"]
    assert models("show", f"{POPULARITY}/{ref.version}").out == result.out


def test_a_damaged_version_is_shown_with_its_fault(models: Run, folder: Path) -> None:
    ref = publish_made_up(folder, POPULARITY)
    (folder / ref.model / ref.version / "metadata.json").unlink()
    result = models("show", ref.version)
    assert result.status == 0
    assert lines_of(result.out)[-1] == ["fault", "metadata.json cannot be read: No such file or directory"]


@pytest.mark.parametrize("command", BY_VERSION)
@pytest.mark.parametrize(
    "name", [UNKNOWN, "current", "../..", "/etc/passwd", f"popularity/../content/{UNKNOWN}", ""]
)
def test_an_unknown_version_changes_nothing(models: Run, folder: Path, command: str, name: str) -> None:
    ref = publish_made_up(folder, POPULARITY)
    result = models(command, name)
    assert (result.status, result.out) == (1, "")
    assert result.err.startswith(f"Error: {name}: there is no such version in {folder}. ")
    assert "`python -m recommender models list` shows those" in result.err
    assert linked_version(folder) == ref


@pytest.mark.parametrize("command", BY_VERSION)
def test_a_version_name_of_two_models_needs_the_model(models: Run, folder: Path, command: str) -> None:
    first, second = publish_made_up(folder, CONTENT), publish_made_up(folder, POPULARITY)
    copied = folder / CONTENT / second.version
    shutil.copytree(folder / CONTENT / first.version, copied)
    change_metadata(copied, version=second.version)
    result = models(command, second.version)
    assert result.status == 1
    choices = result.err.partition("give one of ")[2].rstrip(".\n").split(" or ")
    assert set(choices) == {f"{name}/{second.version}" for name in (POPULARITY, CONTENT)}
    assert models(command, f"{CONTENT}/{second.version}").status == 0


def test_promoting_makes_a_version_current_and_says_what_servers_do(
    models: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = publish_made_up(folder, CONTENT), publish_made_up(folder, POPULARITY)
    result = models("promote", first.version)
    assert (result.status, result.err) == (0, "")
    assert result.out == f"{first} is current. Running servers use it within 5 seconds.\n"
    assert linked_version(folder) == first
    monkeypatch.setenv("MODEL", CONTENT)
    result = models("promote", second.version)
    assert (
        result.out
        == f"{second} is current. MODEL is content here: servers with that setting do not use it.\n"
    )
    assert linked_version(folder) == second
    assert "servers use it" in models("promote", first.version).out
    monkeypatch.setenv("MODEL", "live")
    assert "MODEL is live here" in models("promote", first.version).out


def test_a_version_that_servers_would_refuse_is_not_promoted(models: Run, folder: Path) -> None:
    small, large = publish_made_up(folder, POPULARITY, users=40), publish_made_up(folder, POPULARITY)
    result = models("promote", small.version)
    assert (result.status, result.out) == (1, "")
    assert f"{small} has 60.0% fewer users than the current version" in result.err
    assert linked_version(folder) == large
    assert models("promote", small.version, "--accept-shrinkage").status == 0
    damage(folder, large)
    result = models("promote", large.version)
    assert result.status == 1
    assert f"Error: {large}: " in result.err
    assert "the checksum is wrong" in result.err
    assert linked_version(folder) == small


def test_a_version_that_holds_a_forgotten_user_is_not_promoted_or_restored(models: Run, folder: Path) -> None:
    first, second = publish_made_up(folder, POPULARITY), publish_made_up(folder, POPULARITY)
    note_forgotten(folder, ["0001"])
    result = models("promote", first.version)
    assert result.status == 1
    assert result.err == (
        f"Error: {first}: it was made before a user was forgotten: run `forget` again, or train\n"
    )
    result = models("rollback")
    assert result.status == 1
    assert f"{first}: it was made before a user was forgotten" in result.err
    assert linked_version(folder) == second
    (folder / "forgotten.json").write_text("{")
    result = models("promote", first.version)
    assert result.status == 1
    assert "the forgotten users are not known: forgotten.json is damaged, cannot be read, or " in result.err


def test_a_rollback_names_its_version_or_says_that_none_is_left(models: Run, folder: Path) -> None:
    first, second, third, _ = [publish_made_up(folder, name) for name in (POPULARITY, CONTENT) * 2]
    result = models("rollback")
    assert (result.status, result.err) == (0, "")
    assert result.out == f"{third} is current again. Running servers use it within 5 seconds.\n"
    assert models("rollback").out.startswith(f"{second} is current again.")
    damage(folder, first)
    result = models("rollback")
    assert result.status == 1
    assert "no earlier version can be made current again" in result.err
    assert f"{first}: " in result.err
    assert linked_version(folder) == second


def test_pruning_lists_the_removed_versions(
    models: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [publish_made_up(folder, POPULARITY, kept_versions=9) for _ in range(6)]
    monkeypatch.setenv("KEPT_VERSIONS", "4")
    result = models("prune")
    assert (result.status, result.err) == (0, "")
    assert result.out == f"Removed {found[0]}.\nRemoved {found[1]}.\n"
    assert models("prune").out == "There is nothing to remove.\n"
    with model_lock(folder / POPULARITY):
        assert models("prune", "--keep", "1").out == "There is nothing to remove.\n"
    # The version that was current before stays.
    assert models("prune", "--keep", "1").out == f"Removed {found[2]}.\nRemoved {found[3]}.\n"
    assert models("prune", "--keep", "0").out == "There is nothing to remove.\n"
    assert current_version(folder, POPULARITY) == found[-1].version
    assert models("prune", "--keep", "-1").status == 2


def test_the_history_lists_runs_and_one_of_them_in_full(models: Run, folder: Path) -> None:
    first = record_run(folder, 1)
    record_run(
        folder,
        2,
        outcome=TrainingOutcome.FAILED,
        reason="no room",
        compared=(),
        chosen=None,
        version=None,
        metric=None,
    )
    result = models("history")
    assert (result.status, result.err) == (0, "")
    head, second_row, first_row = lines_of(result.out)
    assert head == ["run", "began at", "because of", "outcome", "champion → chosen", "ndcg@10", "why"]
    assert second_row[0] == "2"
    assert second_row[3:] == ["failed", "the former → -", "-", "no room"]
    assert first_row == [
        "1",
        "2026-11-20T03:00:00",
        "schedule",
        "published",
        "the former → the challenger",
        "0.2000 (0.1500 to 0.2500)",
        first.reason,
    ]
    assert len(models("history", "--limit", "1").out.splitlines()) == 2
    result = models("history", "1")
    shown = lines_of(result.out)
    assert ["published", f"ease {first.version}"] in shown
    assert ["why", first.reason] in shown
    assert ["compared on", "time"] in shown
    compared, _, searched = result.out.partition("\nTried on the time before")
    assert searched.split("\n", 1)[0].endswith("34, the best of them:")
    assert lines_of(searched)[2] == ["the tried <&>", "0.1900", "+0.0500 (+0.0100 to +0.0900)"]
    assert searched.endswith("\nNot tried:\n  als: it takes about 900 s to learn\n")
    assert lines_of(compared)[-3:] == [
        [
            "the challenger",
            "0.2000 (0.1500 to 0.2500)",
            "+0.0500 (+0.0100 to +0.0900)",
            "ease",
            "0.4 stated / 0.6",
        ],
        ["the former", "0.2000 (0.1500 to 0.2500)", "-", "ease", "0.4 stated / 0.6"],
        ["the slow one", "-", "-", "ease", "0.4 stated / 0.6", "it needs more memory"],
    ]


@pytest.mark.parametrize("damaged", [False, True])
def test_a_run_without_a_record_is_reported(models: Run, folder: Path, *, damaged: bool) -> None:
    record_run(folder, 1)
    if damaged:
        record_run(folder, 2)
        (folder / "runs" / "000002.json").write_text("{")
    result = models("history", "2")
    assert (result.status, result.out) == (2, "")
    assert "there is no record of run 2" in result.err
    assert models("history", "0").status == 2
    assert models("history", "one").status == 2
    (_, row) = lines_of(models("history").out)
    assert row[0] == "1"


def test_a_read_only_folder_is_read_and_not_changed(models: Run, read_only: Path) -> None:
    newest, oldest = (each.ref for each in list_versions(read_only))
    for command in (("list",), ("show", oldest.version), ("history",), ("history", "1")):
        result = models(*command)
        assert (result.status, result.err) == (0, "")
    for change in (("promote", oldest.version), ("rollback",), ("prune", "--keep", "0")):
        result = models(*change)
        assert result.status == 1
        assert result.err.endswith(": Read-only file system\n")
        assert len(result.err.splitlines()) == 1
    assert linked_version(read_only) == newest


@pytest.mark.slow
@pytest.mark.parametrize("command", [("list",), ("history",), ("show", "{version}")])
def test_a_closed_pipe_causes_no_traceback(folder: Path, command: tuple[str, ...]) -> None:
    ref = publish_made_up(folder, POPULARITY)
    record_run(folder, 1)
    arguments = [each.format(version=ref.version) for each in command]
    ended = run_forked(["-c", _INTO_A_CLOSED_PIPE, *arguments], environment(MODEL_PATH=str(folder)))
    assert (ended.returncode, ended.stderr) == (1, "")


def test_commands_work_with_any_configured_model(
    models: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = publish_made_up(folder, POPULARITY)
    monkeypatch.setenv("MODEL", "nonsense")
    assert ref.version in models("list").out
