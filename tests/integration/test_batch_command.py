"""`batch`: what the API would answer, for many users, however often it is broken off."""

import csv
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pyarrow.dataset as ds
import pytest
from flask.testing import FlaskClient

from config.settings import ROOT
from recommender.batch import parquet
from recommender.batch import run as batch_run
from recommender.cli import batch as batch_command
from recommender.domain import DatabaseName
from tests.support.checks import overlay
from tests.support.commands import Result, Run, runner, variables
from tests.support.postgres import Outage, Urls
from tests.support.processes import environment
from tests.support.reference import Reference

USER, CATALOG, ENGAGEMENT = DatabaseName
STRANGER = "11111111-1111-4111-8111-111111111111"
STRANGERS = [f"22222222-2222-4222-8222-{number:012}" for number in range(50)]
_KILLED_S = 30.0

# The command in a process of its own, a few users at a time so that there is something to break off.
_SLOWED = """
import sys, time
from recommender.batch import run
from recommender.cli.main import main
run._USERS_AT_ONCE = 7
ask = run._ask
run._ask = lambda *arguments: (time.sleep(0.02), ask(*arguments))[1]
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def run(shared_databases: Urls, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    return runner(shared_databases, monkeypatch, capsys)


@pytest.fixture
def run_alone(databases: Urls, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    run = runner(databases, monkeypatch, capsys)
    # Outages are on purpose here.
    monkeypatch.setenv("POOL_TIMEOUT_MS", "200")
    return run


@pytest.fixture
def few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_run, "_USERS_AT_ONCE", 20)


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, Callable[[], object]], None]:
    """Have something happen, once, when so many users are done."""

    def arrange(users: int, act: Callable[[], object]) -> None:
        waiting = [act]

        def show(done: int) -> None:
            if done >= users and waiting:
                waiting.pop()()

        @contextmanager
        def progress(_label: str, _total: int, _done: int) -> Iterator[Callable[[int], None]]:
            yield show

        monkeypatch.setattr(batch_command, "progress", progress)

    return arrange


def ids_file(folder: Path, user_ids: list[str]) -> Path:
    path = folder / "ids.txt"
    path.write_text("".join(f"{user_id}\n" for user_id in user_ids))
    return path


def streamed(client: FlaskClient, user_ids: list[str], limit: int = 10) -> bytes:
    response = client.post(
        "/api/recommendations/batch",
        json={"user_ids": user_ids, "limit": limit},
        headers={"Accept": "application/x-ndjson"},
    )
    return response.get_data()


def flat(lines: bytes) -> list[list[str]]:
    """The rows that a table of these answers has, as text."""
    rows = []
    for answer in map(json.loads, lines.splitlines()):
        for rank, item in enumerate(answer["recommendations"], start=1):
            values = [answer["user_id"], rank, item["id"], item["title"], item["release_year"]]
            values += [item["media_type"], "|".join(item["genres"])]
            values += [item[f"{kind}_score"] for kind in ("recommendation", "content", "collaborative")]
            values += [answer["strategy"], "|".join(answer["degraded"])]
            rows.append(["" if value is None else str(value) for value in values])
    return rows


def read_csv(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file))


def read_parquet(path: Path) -> list[list[str]]:
    table: dict[str, list[Any]] = ds.dataset(path).to_table().to_pydict()
    rows = zip(*table.values(), strict=True)
    return [list(table), *(["" if value is None else str(value) for value in row] for row in rows)]


def test_ndjson_is_byte_for_byte_what_the_api_streams(
    run: Run, client: FlaskClient, reference: Reference, tmp_path: Path
) -> None:
    users = [STRANGER, *reversed(reference.users)]
    result = run("batch", ids_file(tmp_path, users), "--output", tmp_path / "out.ndjson", "--limit", 4)
    assert result.status == 0
    assert (tmp_path / "out.ndjson").read_bytes() == streamed(client, users, limit=4)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ids.txt", "out.ndjson"]
    assert f"{len(users)} of {len(users)} users; {4 * len(users):,} recommendations" in result.out
    assert "0 degraded, 0 skipped, 0 repeated" in result.out


@pytest.mark.usefixtures("few_at_once")
def test_csv_and_parquet_carry_what_ndjson_does(
    run: Run,
    client: FlaskClient,
    reference: Reference,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(parquet.ParquetWriter.__init__, "__defaults__", (50,))
    users = reference.users[:120]
    file = ids_file(tmp_path, users)
    assert run("batch", file, "--output", tmp_path / "out.csv").status == 0
    assert run("batch", file, "--output", tmp_path / "out.PARQUET").status == 0
    head, *rows = read_csv(tmp_path / "out.csv")
    assert head[:4] == ["user_id", "rank", "media_id", "title"]
    assert rows == flat(streamed(client, users))
    assert read_parquet(tmp_path / "out.PARQUET") == [head, *rows]
    assert sorted(path.name for path in (tmp_path / "out.PARQUET").iterdir()) == [
        f"part-0000{part}.parquet" for part in range(2)
    ]


def test_the_format_that_is_named_wins_over_the_outputs_name(run: Run, tmp_path: Path) -> None:
    file = ids_file(tmp_path, [STRANGER])
    assert run("batch", file, "--output", tmp_path / "out.csv", "--format", "ndjson").status == 0
    assert json.loads((tmp_path / "out.csv").read_text())["user_id"] == STRANGER


def test_all_users_are_those_of_either_database_each_once(
    run_alone: Run, databases: Urls, tmp_path: Path
) -> None:
    with psycopg.connect(databases[USER]) as connection:
        connection.execute("DELETE FROM user_preferences WHERE user_id::text < '8'")
        connection.execute("INSERT INTO user_preferences VALUES (gen_random_uuid(), %s)", (STRANGER,))
    everybody = {
        row[0]
        for name, table in ((USER, "user_preferences"), (ENGAGEMENT, "interaction"))
        for row in Reference(databases).rows(name, f"SELECT user_id::text FROM {table}")  # noqa: S608 - ours
    }
    result = run_alone("batch", "--all-users", "--output", tmp_path / "out", "--limit", 1)
    answered = [json.loads(line)["user_id"] for line in (tmp_path / "out").read_text().splitlines()]
    assert result.status == 0
    assert answered == sorted(everybody)


def test_ids_are_taken_as_people_write_them_and_what_is_none_is_named(
    run: Run, reference: Reference, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_run, "_USERS_AT_ONCE", 1)
    first, second = reference.users[:2]
    file = tmp_path / "ids.txt"
    wrong = [f"nobody {number}" for number in range(12)]
    lines = [f"\ufeff{first.upper()}\r", "", second, f"  {first}  ", "# a remark", *wrong, ""]
    file.write_bytes("\n".join(lines).encode() + b"\xff\n")
    result = run("batch", file, "--output", tmp_path / "out", "--limit", 1)
    answered = [json.loads(line)["user_id"] for line in (tmp_path / "out").read_text().splitlines()]
    assert (result.status, answered) == (3, [first, second])
    assert "line 5: '# a remark' is not a UUID: skipped\nline 6: 'nobody 0' is" in result.err
    assert result.err.count("skipped") == 10
    assert "… and 4 more\n" in result.err
    assert "0 degraded, 14 skipped, 1 repeated" in result.out


def test_standard_input_will_do(reference: Reference, tmp_path: Path, shared_databases: Urls) -> None:
    finished = subprocess.run(  # noqa: S603 - our own files
        [sys.executable, "-m", "recommender", "batch", "-", "--output", tmp_path / "out"],
        cwd=ROOT,
        env=environment(**variables(shared_databases)),
        input="\n".join(reference.users[:3]),
        text=True,
        capture_output=True,
        check=False,
    )
    assert (finished.returncode, (tmp_path / "out").read_text().count("\n")) == (0, 3)
    assert "Recommending to 3 users" in finished.stderr


def test_a_job_killed_at_any_moment_goes_on_as_if_nothing_had_happened(
    run: Run, client: FlaskClient, reference: Reference, tmp_path: Path, shared_databases: Urls
) -> None:
    output = tmp_path / "out"
    arguments = ["batch", "--all-users", "--output", str(output)]
    for share in (0.2, 0.5):
        process = subprocess.Popen(  # noqa: S603 - our own files
            [sys.executable, "-c", _SLOWED, *arguments],
            cwd=ROOT,
            env=environment(**variables(shared_databases)),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_for_users(output, share * len(reference.users))
        # Not always just after a line.
        time.sleep(random.uniform(0, 0.03))  # noqa: S311 - may be guessed
        process.kill()
        assert process.wait(_KILLED_S) == -signal.SIGKILL
        with output.open("ab") as file:
            # More than is left to write, lest it is merely written over.
            file.write(b'{"user_id":"half a line' * 200_000)
    result = run(*arguments)
    assert result.status == 0
    assert "Going on after " in result.err
    users = [json.loads(line)["user_id"] for line in output.read_text().splitlines()]
    assert set(reference.users) <= set(users)
    assert output.read_bytes() == streamed(client, users)


def wait_for_users(output: Path, users: float) -> None:
    deadline = time.monotonic() + _KILLED_S
    while not output.exists() or output.read_bytes().count(b"\n") < users:
        assert time.monotonic() < deadline, "it did not get so far"
        time.sleep(0.005)


@pytest.mark.usefixtures("few_at_once")
@pytest.mark.parametrize("name", ["out.ndjson", "out.csv"])
def test_after_an_outage_the_same_command_completes_the_same_output(
    run_alone: Run,
    outage: Outage,
    at: Callable[..., None],
    tmp_path: Path,
    name: str,
) -> None:
    arguments = ("batch", ids_file(tmp_path, Reference(outage.urls).users), "--output")
    assert run_alone(*arguments, tmp_path / f"whole.{name}").status == 0
    at(60, lambda: outage.stop(*DatabaseName))
    stopped = run_alone(*arguments, tmp_path / name)
    assert stopped.status == 1
    assert stopped.err == (
        "Error: stopped before the end: no database can answer. The same command goes on from here.\n"
    )
    assert stopped.out.startswith("60 of ")
    outage.start(*DatabaseName)
    resumed = run_alone(*arguments, tmp_path / name)
    assert (resumed.status, "Going on after 60 of " in resumed.err) == (0, True)
    assert (tmp_path / name).read_bytes() == (tmp_path / f"whole.{name}").read_bytes()


@pytest.mark.usefixtures("few_at_once")
def test_parquet_goes_on_with_its_next_file(
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


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def interrupted(run: Run, at: Callable[..., None], *arguments: object) -> Result:
    """A job that Ctrl-C has stopped."""
    at(20, interrupt)
    result = run(*arguments)
    assert result.status == 1
    assert "stopped before the end: interrupted" in result.err
    return result


@pytest.mark.usefixtures("few_at_once")
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--limit", 3], "with limit 10, not 3"),
        (["--format", "csv"], "with format ndjson, not csv"),
    ],
)
def test_a_job_that_was_given_other_options_is_not_gone_on_with(
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
def test_a_job_for_other_users_is_not_gone_on_with(run: Run, at: Callable[..., None], tmp_path: Path) -> None:
    arguments = ("batch", ids_file(tmp_path, STRANGERS), "--output", tmp_path / "out")
    interrupted(run, at, *arguments)
    ids_file(tmp_path, [*STRANGERS, STRANGER])
    refused = run(*arguments)
    assert refused.status == 2
    assert "the ids have changed" in refused.err
    everybody = run("batch", "--all-users", "--output", tmp_path / "out")
    assert everybody.status == 2
    assert "with users from file, not all users" in everybody.err


@pytest.mark.usefixtures("few_at_once")
def test_an_output_that_was_touched_meanwhile_is_not_gone_on_with(
    run: Run, at: Callable[..., None], tmp_path: Path
) -> None:
    arguments = ("batch", ids_file(tmp_path, STRANGERS), "--output", tmp_path / "out")
    interrupted(run, at, *arguments)
    (tmp_path / "out").write_text("")
    refused = run(*arguments)
    assert refused.status == 2
    assert "shorter than an earlier run left it" in refused.err


def test_an_output_that_is_there_is_left_alone_unless_told(run: Run, tmp_path: Path) -> None:
    file, output = ids_file(tmp_path, [STRANGER]), tmp_path / "out"
    output.write_text("precious")
    refused = run("batch", file, "--output", output)
    assert refused.status == 2
    assert refused.err.endswith("out: the output exists already; --overwrite replaces it\n")
    assert output.read_text() == "precious"
    assert not (tmp_path / "out.resume").exists()
    assert run("batch", file, "--output", output, "--overwrite").status == 0
    assert output.read_text().startswith(f'{{"user_id":"{STRANGER}"')


@pytest.mark.usefixtures("few_at_once")
def test_two_runs_do_not_work_on_one_job(run: Run, at: Callable[..., None], tmp_path: Path) -> None:
    arguments = ("batch", ids_file(tmp_path, STRANGERS), "--output", tmp_path / "out")
    others: list[Result] = []
    at(20, lambda: others.append(run(*arguments)))
    assert run(*arguments).status == 0
    assert [other.status for other in others] == [2]
    assert "another run is at work on it" in others[0].err


def test_answers_that_lack_a_database_are_written_counted_and_told_by_the_status(
    run_alone: Run, outage: Outage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_run, "_USERS_AT_ONCE", 1)
    outage.stop(ENGAGEMENT)
    users = [STRANGER, STRANGER.replace("1", "2")]
    result = run_alone("batch", ids_file(tmp_path, users), "--output", tmp_path / "out")
    answers = [json.loads(line) for line in (tmp_path / "out").read_text().splitlines()]
    assert result.status == 3
    assert [answer["degraded"] for answer in answers] == [["engagement_db"]] * 2
    assert "2 degraded" in result.out


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


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Give either FILE or --all-users"),
        (["{ids}", "--all-users"], "Give either FILE or --all-users"),
        (["{folder}/missing.txt"], "No such file"),
        (["{ids}", "--output", "{folder}/no/out"], "cannot be written: No such file or directory"),
        (["{ids}", "--output", "/dev/null"], "/dev/null: it is no regular file"),
        (["{ids}", "--output", "{ids}", "--format", "parquet"], "it is a file, and Parquet is written into"),
        (["{ids}", "--format", "parquet", "--output", "{folder}"], "none of this command's files"),
        (["{ids}", "--limit", "101"], "must be from 1 to 100"),
    ],
)
def test_wrong_usage_is_a_line_and_status_2(
    run: Run, tmp_path: Path, arguments: list[str], words: str
) -> None:
    file = ids_file(tmp_path, [STRANGER])
    given = [argument.format(ids=file, folder=tmp_path) for argument in arguments]
    output = [] if "--output" in given else ["--output", tmp_path / "out"]
    result = run("batch", *given, *output)
    assert result.status == 2
    assert words in result.err
    assert [path.name for path in tmp_path.iterdir()] == ["ids.txt"]


def test_without_its_package_parquet_says_what_to_install(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "recommender.batch.parquet", None)
    result = run("batch", ids_file(tmp_path, [STRANGER]), "--output", tmp_path / "out.parquet")
    assert result.status == 2
    assert "pip install -r requirements-parquet.txt" in result.err


@pytest.mark.parametrize("name", [USER, ENGAGEMENT])
def test_an_overlay_that_does_not_sort_users_is_found_out(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: DatabaseName
) -> None:
    folder = tmp_path / "sql"
    folder.mkdir()
    monkeypatch.setenv("SQL_PATH", overlay(folder, name, "stream_users", " ASC", " DESC"))
    result = run("batch", "--all-users", "--output", tmp_path / "out")
    assert result.status == 2
    assert "it must sort by the bytes of the ids" in result.err
    assert list(tmp_path.iterdir()) == [folder]


def test_ids_that_no_request_could_name_are_skipped(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reference: Reference
) -> None:
    monkeypatch.setenv("ID_PATTERN", "[0-7].*")
    result = run("batch", "--all-users", "--output", tmp_path / "out", "--limit", 1)
    answered = [json.loads(line)["user_id"] for line in (tmp_path / "out").read_text().splitlines()]
    assert result.status == 3
    assert all(user_id < "8" for user_id in answered)
    assert {user_id for user_id in reference.users if user_id < "8"} <= set(answered)
    assert "is not of the form [0-7].*: skipped" in result.err


def test_all_users_need_both_databases(run_alone: Run, outage: Outage, tmp_path: Path) -> None:
    outage.stop(ENGAGEMENT)
    result = run_alone("batch", "--all-users", "--output", tmp_path / "out")
    assert result.status == 1
    assert "engagement_db did not answer" in result.err
    assert list(tmp_path.iterdir()) == []
