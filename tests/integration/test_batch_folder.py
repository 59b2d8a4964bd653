"""`batch` keeps its state where no other local user can redirect what it writes."""

import errno
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from recommender.batch.journal import JobFolder, JobOptions, JobProgress, Journal
from recommender.batch.users import InvalidIds, UserListSummary, write_list
from tests.support.batches import STRANGERS, ids_file, interrupted
from tests.support.commands import Run


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    """Return a folder that looks like that of a job, with links in place of its drafts."""
    folder = tmp_path / "out.resume"
    with JobFolder(tmp_path / "other").locked():
        shutil.copytree(tmp_path / "other.resume", folder)
    (tmp_path / "precious").write_text("precious")
    for name in ("journal.draft", "users.draft", "users.draft.rest"):
        (folder / name).symlink_to(tmp_path / "precious")
    return folder


@pytest.mark.parametrize("overwrite", [[], ["--overwrite"]], ids=["", "overwrite"])
@pytest.mark.parametrize("change", ["owner", "rights of others", "rights of the group"])
def test_a_folder_that_others_can_change_is_refused_in_one_line_and_unchanged(
    run: Run, planted: Path, change: str, overwrite: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if change == "owner":
        own = os.geteuid()
        monkeypatch.setattr(os, "geteuid", lambda: own + 1)
    else:
        planted.chmod(0o707 if change == "rights of others" else 0o770)
    before = sorted(planted.iterdir())
    parent = planted.parent
    refused = run("batch", ids_file(parent, STRANGERS), "--output", parent / "out", *overwrite)
    assert refused.status == 2
    assert "out.resume belongs to another user, or others may write to it; " in refused.err
    assert refused.err.count("\n") == 1
    assert (parent / "precious").read_text() == "precious"
    assert sorted(planted.iterdir()) == before


def test_drafts_are_new_files_and_not_what_links_of_their_names_point_to(
    tmp_path: Path, planted: Path
) -> None:
    write_list([*STRANGERS, *STRANGERS], planted / "users.draft", InvalidIds(1))
    options = JobOptions("file", "ndjson", "", 1, "")
    summary = UserListSummary("", 1, 0, 0)
    JobFolder(tmp_path / "out").save(Journal(options, summary, JobProgress()))
    assert (tmp_path / "precious").read_text() == "precious"
    assert (planted / "users.draft").read_text().split() == STRANGERS
    assert not [path for path in planted.iterdir() if path.is_symlink() and path.name != "users.draft.rest"]


@pytest.mark.usefixtures("few_at_once")
def test_only_the_user_can_open_the_folder_whatever_the_umask(
    run: Run, at: Callable[..., None], tmp_path: Path
) -> None:
    before = os.umask(0)
    try:
        interrupted(run, at, "batch", ids_file(tmp_path, STRANGERS), "--output", tmp_path / "out")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "out.resume").stat().st_mode) == 0o700


def test_a_file_system_that_cannot_sync_folders_is_accepted(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync = os.fsync

    def sync_files_only(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", sync_files_only)
    done = run("batch", ids_file(tmp_path, STRANGERS), "--output", tmp_path / "out")
    assert (done.status, (tmp_path / "out").is_file()) == (0, True)


@pytest.mark.usefixtures("few_at_once")
def test_a_job_resumes_where_kubernetes_lets_a_group_of_the_pod_write(
    run: Run, at: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ("batch", ids_file(tmp_path, STRANGERS), "--output", tmp_path / "out")
    interrupted(run, at, *command)
    # As `fsGroup` does when the volume is mounted.
    (tmp_path / "out.resume").chmod(0o2770)
    with monkeypatch.context() as patched:
        patched.setattr(os, "getgroups", list)
        patched.setattr(os, "getegid", lambda: (tmp_path / "out.resume").stat().st_gid + 1)
        assert "others may write to it" in run(*command).err
    assert run(*command).status == 0


@pytest.mark.usefixtures("few_at_once")
def test_a_job_runs_and_resumes_on_a_share_that_keeps_no_modes(
    run: Run, at: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mkdir = Path.mkdir

    def mkdir_open_to_all(
        path: Path, mode: int = 0o777, *, parents: bool = False, exist_ok: bool = False
    ) -> None:
        mkdir(path, mode, parents, exist_ok)
        path.chmod(0o777)

    monkeypatch.setattr(Path, "mkdir", mkdir_open_to_all)
    command = ("batch", ids_file(tmp_path, STRANGERS), "--output", tmp_path / "out")
    interrupted(run, at, *command)
    assert run(*command).status == 0
    assert not list(tmp_path.glob("*.resume*"))
