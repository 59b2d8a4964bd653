"""An interrupted `batch` resumes without lost, repeated or mixed output."""

import errno
import json
import os
import random
import resource
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from flask.testing import FlaskClient

from recommender.batch.parquet_writer import ParquetWriter
from recommender.batch.writers import NdjsonWriter
from recommender.entities import DatabaseName
from tests.support.batches import (
    STRANGER,
    STRANGERS,
    flat,
    ids_file,
    interrupt,
    interrupted,
    read_parquet,
    streamed,
)
from tests.support.commands import Result, Run, variables
from tests.support.forked import fork
from tests.support.own_attributes import DECLARED
from tests.support.postgres import Outage, Urls
from tests.support.processes import environment
from tests.support.reference import Reference

_KILLED_S = 30.0

# The command in its own process, with a few users at a time, so that it can be interrupted between them.
_SLOWED = """
import sys, time
from recommender.batch import run
from recommender.cli.main import main
run._USERS_AT_ONCE = 7
ask = run._ask
run._ask = lambda *arguments: (time.sleep(0.02), ask(*arguments))[1]
sys.exit(main(sys.argv[1:]))
"""


def test_a_job_killed_at_any_moment_resumes_with_the_same_output(
    run: Run, client: FlaskClient, reference: Reference, tmp_path: Path, shared_databases: Urls
) -> None:
    output = tmp_path / "out"
    arguments = ["batch", "--all-users", "--output", str(output)]
    for share in (0.2, 0.5):
        process = fork(
            ["-c", _SLOWED, *arguments], environment(**variables(shared_databases)), tmp_path / "log"
        )
        wait_for_users(output, share * len(reference.users))
        # Not always just after a line.
        time.sleep(random.uniform(0, 0.03))  # noqa: S311 - may be guessed
        process.kill()
        assert process.wait(_KILLED_S) == -signal.SIGKILL
        with output.open("ab") as file:
            # Longer than the rest of the output, which therefore cannot overwrite all of it.
            file.write(b'{"user_id":"half a line' * 200_000)
    result = run(*arguments)
    assert result.status == 0
    assert "Continuing after " in result.err
    users = [json.loads(line)["user_id"] for line in output.read_text().splitlines()]
    assert set(reference.users) <= set(users)
    assert output.read_bytes() == streamed(client, users)


def wait_for_users(output: Path, users: float) -> None:
    deadline = time.monotonic() + _KILLED_S
    while not output.exists() or output.read_bytes().count(b"\n") < users:
        assert time.monotonic() < deadline, "it did not get so far"
        time.sleep(0.005)


@pytest.mark.usefixtures("few_at_once")
def test_after_an_outage_the_same_command_completes_the_same_output(
    run_alone: Run,
    outage: Outage,
    at: Callable[..., None],
    tmp_path: Path,
) -> None:
    arguments = ("batch", ids_file(tmp_path, Reference(outage.urls).users[:120]), "--output")
    assert run_alone(*arguments, tmp_path / "whole.csv").status == 0
    at(60, lambda: outage.stop(*DatabaseName))
    stopped = run_alone(*arguments, tmp_path / "out.csv")
    assert stopped.status == 1
    assert stopped.err == (
        "Error: stopped before the end: catalog_db does not answer, or no database does. "
        "The same command continues from here.\n"
    )
    assert stopped.out.startswith("60 of ")
    outage.start(*DatabaseName)
    resumed = run_alone(*arguments, tmp_path / "out.csv")
    assert (resumed.status, "Continuing after 60 of " in resumed.err) == (0, True)
    assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()


@pytest.mark.usefixtures("few_at_once")
@pytest.mark.parametrize("name", ["out.ndjson", "out.csv", "out.parquet"])
def test_a_job_that_stopped_before_its_first_user_resumes(
    run_alone: Run, outage: Outage, tmp_path: Path, name: str
) -> None:
    arguments = ("batch", ids_file(tmp_path, Reference(outage.urls).users[:30]), "--output", tmp_path / name)
    outage.stop(*DatabaseName)
    assert run_alone(*arguments).status == 1
    time.sleep(0.02)
    assert run_alone(*arguments).status == 1
    outage.start(*DatabaseName)
    resumed = run_alone(*arguments)
    assert (resumed.status, resumed.err.count("Error")) == (0, 0), resumed.err


@pytest.mark.usefixtures("few_at_once")
def test_parquet_resumes_with_the_next_file(
    run: Run,
    client: FlaskClient,
    reference: Reference,
    at: Callable[..., None],
    tmp_path: Path,
) -> None:
    users = reference.users[:100]
    arguments = ("batch", ids_file(tmp_path, users), "--output", tmp_path / "out.parquet")
    at(60, lambda: os.kill(os.getpid(), signal.SIGTERM))
    assert run(*arguments).status == 1
    (tmp_path / "out.parquet" / "part-00001.parquet").write_bytes(b"of a kill before the journal was written")
    assert run(*arguments).status == 0
    assert read_parquet(tmp_path / "out.parquet")[1:] == flat(streamed(client, users))
    ids_file(tmp_path, users[:1])
    assert run(*arguments, "--overwrite").status == 0
    assert read_parquet(tmp_path / "out.parquet")[1:] == flat(streamed(client, users[:1]))


def stopped_before_the_first_commit(run: Run, patch: pytest.MonkeyPatch, *arguments: object) -> None:
    """Run a job that cannot write what it makes safe first."""

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with patch.context() as full:
        for writer in (ParquetWriter, NdjsonWriter):
            full.setattr(writer, "commit", refuse)
        stopped = run(*arguments)
    assert (stopped.status, "No space left on device" in stopped.err) == (1, True)


@pytest.mark.usefixtures("few_at_once")
@pytest.mark.parametrize(
    ("name", "others"),
    [
        ("out.parquet", {"part-00000.parquet": "before"}),
        ("out.parquet", {"part-00000.parquet": "after", "part-00001.parquet": "after"}),
        ("out.parquet", {"part-00003.parquet": "after"}),
        ("out", {"": "before"}),
    ],
)
def test_another_export_is_not_removed_by_a_job_that_has_committed_nothing(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, others: dict[str, str]
) -> None:
    users = ids_file(tmp_path, STRANGERS)
    assert run("batch", users, "--output", tmp_path / f"before-{name}").status == 0
    arguments = ("batch", users, "--output", tmp_path / name)
    stopped_before_the_first_commit(run, monkeypatch, *arguments)
    assert run("batch", users, "--output", tmp_path / f"after-{name}").status == 0
    for file, when in others.items():
        made = tmp_path / f"{when}-{name}" / ("part-00000.parquet" if file else "")
        shutil.copy2(made, tmp_path / name / file)
    refused = run(*arguments)
    assert refused.status == 2
    assert "it has changed since an earlier run" in refused.err
    assert all((tmp_path / name / file).stat().st_size for file in others)
    assert run(*arguments, "--overwrite").status == 0
    assert {path.name for path in (tmp_path / "out.parquet").glob("*")} <= {"part-00000.parquet"}


@pytest.mark.usefixtures("few_at_once")
def test_a_first_file_of_a_killed_run_is_replaced(
    run: Run, client: FlaskClient, reference: Reference, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = reference.users[:20]
    arguments = ("batch", ids_file(tmp_path, users), "--output", tmp_path / "out.parquet")
    stopped_before_the_first_commit(run, monkeypatch, *arguments)
    for name in ("part-00000.parquet", ".part-00001.draft"):
        (tmp_path / "out.parquet" / name).write_bytes(b"of a kill before the journal was written")
    assert run(*arguments).status == 0
    assert read_parquet(tmp_path / "out.parquet")[1:] == flat(streamed(client, users))


@pytest.mark.usefixtures("few_at_once")
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--limit", 3], "with limit 10, not 3"),
        (["--format", "csv"], "with format ndjson, not csv"),
    ],
)
def test_a_job_does_not_resume_with_other_options(
    run: Run,
    at: Callable[..., None],
    tmp_path: Path,
    options: list[str],
    words: str,
) -> None:
    arguments = ("batch", ids_file(tmp_path, STRANGERS), "--output", tmp_path / "out")
    interrupted(run, at, *arguments)
    before = (tmp_path / "out").read_bytes()
    refused = run(*arguments, *options)
    assert refused.status == 2
    assert words in refused.err
    assert (tmp_path / "out").read_bytes() == before
    assert run(*arguments, *options, "--overwrite").status == 0
    assert not (tmp_path / "out.resume").exists()


@pytest.mark.usefixtures("few_at_once")
@pytest.mark.parametrize(
    "change",
    [
        ({"MODEL": "live"}, "with the default MODEL, not live ("),
        (
            {"SHORTLIST": "7", "LIKE_TYPES": "LIKE,LOVE"},
            "with SHORTLIST=1000000, not 7; LIKE_TYPES=('LIKE',), not ('LIKE', 'LOVE') (",
        ),
        ({"ATTRIBUTES_PATH": "{folder}/own.toml"}, "with other attributes or experiments ("),
    ],
    ids=["model", "settings", "attributes"],
)
def test_a_job_does_not_resume_with_other_settings_and_names_only_these(
    run: Run,
    at: Callable[..., None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: tuple[dict[str, str], str],
) -> None:
    settings, words = change
    (tmp_path / "own.toml").write_text(DECLARED)
    arguments = ("batch", ids_file(tmp_path, STRANGERS), "--output", tmp_path / "out")
    interrupted(run, at, *arguments)
    with monkeypatch.context() as changed:
        for name, value in settings.items():
            changed.setenv(name, value.format(folder=tmp_path))
        refused = run(*arguments)
    assert (refused.status, f"there is an unfinished job {words}" in refused.err) == (2, True), refused.err
    assert run(*arguments).status == 0


@pytest.mark.usefixtures("few_at_once")
def test_overwrite_begins_anew_with_the_users_of_today(
    run_patiently: Run, databases: Urls, at: Callable[..., None], tmp_path: Path
) -> None:
    arguments = ("batch", "--all-users", "--output", tmp_path / "out", "--overwrite")
    at(20, interrupt)
    stopped = run_patiently(*arguments)
    assert (stopped.status, "The same command without --overwrite continues" in stopped.err) == (1, True)
    with psycopg.connect(databases[DatabaseName.USER]) as connection:
        connection.execute("INSERT INTO user_preferences VALUES (gen_random_uuid(), %s)", (STRANGER,))
    result = run_patiently(*arguments)
    assert (result.status, "Continuing after" in result.err) == (0, False)
    assert f'{{"user_id":"{STRANGER}"' in (tmp_path / "out").read_text()


@pytest.mark.usefixtures("few_at_once")
def test_a_job_begun_with_overwrite_continues_without_it(
    run: Run, client: FlaskClient, at: Callable[..., None], tmp_path: Path
) -> None:
    arguments = ("batch", ids_file(tmp_path, STRANGERS), "--output", tmp_path / "out")
    (tmp_path / "out").write_text("of yesterday")
    interrupted(run, at, *arguments, "--overwrite")
    resumed = run(*arguments)
    assert (resumed.status, "Continuing after 20 of 50 users" in resumed.err) == (0, True)
    assert (tmp_path / "out").read_bytes() == streamed(client, STRANGERS)


@pytest.mark.usefixtures("few_at_once")
def test_a_job_does_not_resume_for_other_users(run: Run, at: Callable[..., None], tmp_path: Path) -> None:
    arguments = ("batch", ids_file(tmp_path, STRANGERS), "--output", tmp_path / "out")
    interrupted(run, at, *arguments)
    ids_file(tmp_path, [*STRANGERS, STRANGER])
    refused = run(*arguments)
    assert refused.status == 2
    assert "the ids have changed" in refused.err
    all_users = run("batch", "--all-users", "--output", tmp_path / "out")
    assert all_users.status == 2
    assert "with users from file, not all users" in all_users.err


@pytest.mark.usefixtures("few_at_once")
def test_a_job_does_not_resume_with_a_changed_output(
    run: Run, at: Callable[..., None], tmp_path: Path
) -> None:
    arguments = ("batch", ids_file(tmp_path, STRANGERS), "--output", tmp_path / "out")
    interrupted(run, at, *arguments)
    (tmp_path / "out").write_text("")
    refused = run(*arguments)
    assert refused.status == 2
    assert "shorter than after an earlier run" in refused.err


@pytest.mark.usefixtures("few_at_once")
def test_two_runs_do_not_work_on_one_job(run: Run, at: Callable[..., None], tmp_path: Path) -> None:
    arguments = ("batch", ids_file(tmp_path, STRANGERS), "--output", tmp_path / "out")
    others: list[Result] = []
    at(20, lambda: others.append(run(*arguments)))
    assert run(*arguments).status == 0
    assert [other.status for other in others] == [2]
    assert "another run is writing it" in others[0].err


@pytest.mark.usefixtures("few_at_once")
def test_two_runs_do_not_write_one_file_by_two_names(
    run: Run, client: FlaskClient, at: Callable[..., None], tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to("out")
    arguments = ("batch", ids_file(tmp_path, STRANGERS), "--output")
    others: list[Result] = []
    at(20, lambda: others.append(run(*arguments, tmp_path / "link", "--overwrite")))
    assert run(*arguments, tmp_path / "out").status == 0
    assert [(other.status, "another run is writing it" in other.err) for other in others] == [(2, True)]
    assert (tmp_path / "out").read_bytes() == streamed(client, STRANGERS)


@pytest.mark.usefixtures("few_at_once")
def test_a_job_continues_by_another_name_of_its_output(
    run: Run, client: FlaskClient, at: Callable[..., None], tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to("out")
    arguments = ("batch", ids_file(tmp_path, STRANGERS), "--output")
    interrupted(run, at, *arguments, tmp_path / "link")
    assert "Continuing after 20" in run(*arguments, tmp_path / "out").err
    assert (tmp_path / "out").read_bytes() == streamed(client, STRANGERS)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ids.txt", "link", "out"]


@pytest.mark.usefixtures("few_at_once")
def test_a_full_disk_stops_the_job_and_loses_nothing(
    run: Run, client: FlaskClient, reference: Reference, tmp_path: Path
) -> None:
    users = reference.users[:100]
    arguments = ("batch", ids_file(tmp_path, users), "--output", tmp_path / "out")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, before[1]))
    try:
        stopped = run(*arguments)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert stopped.status == 1
    assert "stopped before the end: File too large" in stopped.err
    assert run(*arguments).status == 0
    assert (tmp_path / "out").read_bytes() == streamed(client, users)
