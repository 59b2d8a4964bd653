"""Other programs can read the output of `batch` with any text in it, and it removes only its own files."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from recommender.batch import parquet_writer
from recommender.batch import run as batch_run
from recommender.batch.writers import without_formulas
from recommender.entities import DatabaseName
from recommender.errors import NothingToRecommendFromError
from tests.support.batches import STRANGERS, flat, ids_file, interrupted, read_csv, read_parquet
from tests.support.commands import Run
from tests.support.postgres import Urls
from tests.support.reference import Reference

TEXTS = [
    "a\rb",
    "a\nb",
    'say "x", y',
    " blank at the front",
    "blank at the end ",
    "line\u2028and\u2029and\x85and\x0b\x0c\x1c",
    "plain",
    "",
]
FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\nx", '=HYPERLINK("http://x","y")']


def set_titles(urls: Urls, titles: list[str | None]) -> list[str]:
    """Give the items these titles in turn, and return the users."""
    with psycopg.connect(urls[DatabaseName.CATALOG]) as connection:
        connection.execute(
            "UPDATE medias SET title = (%s::text[])[1 + abs(hashtext(id::text)) %% %s]", (titles, len(titles))
        )
    return Reference(urls).users[:4]


def test_any_text_is_read_back_unchanged(run_patiently: Run, databases: Urls, tmp_path: Path) -> None:
    file = ids_file(tmp_path, set_titles(databases, [*TEXTS, *FORMULAS, None]))
    for output in ("out.ndjson", "out.csv", "out.parquet"):
        arguments = ("--output", tmp_path / output, "--limit", 100, "--no-defuse-formulas")
        assert run_patiently("batch", file, *arguments).status == 0
    lines = (tmp_path / "out.ndjson").read_bytes().split(b"\n")
    assert len(lines) == 4 + 1
    expected = flat(b"\n".join(lines))
    assert {row[3] for row in expected} == {*TEXTS, *FORMULAS}
    assert read_csv(tmp_path / "out.csv")[1:] == expected
    assert read_parquet(tmp_path / "out.parquet")[1:] == expected


def test_csv_quotes_ambiguous_text(run_patiently: Run, databases: Urls, tmp_path: Path) -> None:
    file = ids_file(tmp_path, set_titles(databases, list(TEXTS)))
    assert run_patiently("batch", file, "--output", tmp_path / "out.csv", "--limit", 100).status == 0
    written = (tmp_path / "out.csv").read_bytes()
    for text in TEXTS[:6]:
        quoted = '"{}"'.format(text.replace('"', '""')).encode()
        assert written.count(b"," + quoted + b",") == written.count(quoted) > 0
    assert b",plain," in written
    assert written.endswith(b"\r\n")
    assert len(list(csv.reader(written.decode().splitlines(keepends=True), strict=True))) > 4
    assert not any(b"\n" in record or b"\r" in record for record in unquoted(written).split(b"\r\n"))


def unquoted(written: bytes) -> bytes:
    """Return a CSV file without its quoted parts."""
    return b"".join(written.split(b'"')[::2])


def test_formulas_are_defused_in_text_and_nowhere_else(
    run_patiently: Run, databases: Urls, tmp_path: Path
) -> None:
    users = set_titles(databases, [*TEXTS, *FORMULAS])
    with psycopg.connect(databases[DatabaseName.CATALOG]) as connection:
        connection.execute("UPDATE medias SET media_type = '@' || media_type, release_year = -3")
        connection.execute("UPDATE tb_media_genre SET genre_name = '=' || genre_name")
    file = ids_file(tmp_path, users)
    assert run_patiently("batch", file, "--output", tmp_path / "plain", "--limit", 50).status == 0
    assert run_patiently("batch", file, "--output", tmp_path / "out.csv", "--limit", 50).status == 0
    head, *rows = read_csv(tmp_path / "out.csv")
    defused = 0
    for row, plain in zip(rows, flat((tmp_path / "plain").read_bytes()), strict=True):
        for name, value, before in zip(head, row, plain, strict=True):
            if name in {"title", "media_type", "genres"} and before.startswith(tuple("=+-@\t\r\n")):
                assert value == f"'{before}"
                defused += 1
            else:
                assert value == before
    assert defused > 2 * len(rows)
    assert {row[head.index("release_year")] for row in rows} == {"-3"}


@pytest.mark.usefixtures("few_at_once")
def test_a_csv_job_resumes_only_with_the_same_defusing(
    run: Run, at: Callable[..., None], tmp_path: Path
) -> None:
    for output, status in (("out.csv", 2), ("out.ndjson", 0)):
        arguments = ("batch", ids_file(tmp_path, STRANGERS), "--output", tmp_path / output)
        interrupted(run, at, *arguments)
        other = run(*arguments, "--no-defuse-formulas")
        assert other.status == status
        assert ("with formulas defused in every cell, not as they are" in other.err) == (status == 2)
    assert json.loads((tmp_path / "out.ndjson").read_text().splitlines()[-1])["user_id"] == STRANGERS[-1]


def held(folder: Path) -> dict[str, bytes | None]:
    """Return everything below a folder: the content of files, and None for folders."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


@pytest.mark.parametrize("overwrite", [[], ["--overwrite"]])
@pytest.mark.parametrize("content", [[], ["notes.txt"], ["users", "journal.json"], ["journal.json/users"]])
def test_a_foreign_folder_in_place_of_the_jobs_folder_is_refused_and_unchanged(
    run: Run, tmp_path: Path, content: list[str], overwrite: list[str]
) -> None:
    file = ids_file(tmp_path, STRANGERS)
    folder = tmp_path / "people.resume"
    folder.mkdir()
    for name in content:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("{}")
    before = held(tmp_path)
    refused = run("batch", file, "--output", tmp_path / "people", *overwrite)
    assert refused.status == 2
    assert "people.resume was not made by this command; move it, or choose another output" in refused.err
    assert held(tmp_path) == before


@pytest.mark.parametrize("link", [False, True])
def test_a_file_or_link_in_place_of_the_jobs_folder_is_refused(
    run: Run, tmp_path: Path, *, link: bool
) -> None:
    file, there = ids_file(tmp_path, STRANGERS), tmp_path / "people.resume"
    if link:
        (tmp_path / "elsewhere").mkdir()
        there.symlink_to(tmp_path / "elsewhere")
    else:
        there.write_text("precious")
    before = held(tmp_path)
    refused = run("batch", file, "--output", tmp_path / "people", "--overwrite")
    assert (refused.status, "was not made by this command" in refused.err) == (2, True)
    assert held(tmp_path) == before


@pytest.mark.usefixtures("few_at_once")
def test_foreign_files_in_the_jobs_folder_stay(run: Run, at: Callable[..., None], tmp_path: Path) -> None:
    arguments = ("batch", ids_file(tmp_path, STRANGERS), "--output", tmp_path / "out")
    interrupted(run, at, *arguments)
    (tmp_path / "out.resume" / "notes.txt").write_text("precious")
    assert run(*arguments).status == 0
    assert (tmp_path / "out.resume" / "notes.txt").read_text() == "precious"
    assert not (tmp_path / "out.resume" / "journal.json").exists()
    assert run(*arguments, "--overwrite").status == 0
    (tmp_path / "out.resume" / "notes.txt").unlink()
    assert run(*arguments, "--overwrite").status == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ids.txt", "out"]


@pytest.mark.parametrize("given", ["ids.txt", "-"])
def test_the_list_of_ids_is_not_overwritten(
    run: Run, tmp_path: Path, given: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = ids_file(tmp_path, STRANGERS)
    (tmp_path / "link").symlink_to(file)
    before = file.read_bytes()
    with file.open() as standard_input:
        monkeypatch.setattr("sys.stdin", standard_input)
        ids = tmp_path / given if given != "-" else "-"
        for output in (file, tmp_path / "link"):
            refused = run("batch", ids, "--output", output, "--overwrite", "--format", "ndjson")
            assert refused.status == 2
            assert "the ids are read from this file" in refused.err
    assert file.read_bytes() == before
    assert not (tmp_path / "ids.txt.resume").exists()


@pytest.mark.parametrize("output", ["/", ".", ".."])
def test_an_output_without_a_name_is_refused(run: Run, tmp_path: Path, output: str) -> None:
    refused = run("batch", ids_file(tmp_path, STRANGERS), "--output", output)
    assert (refused.status, "is not a file name" in refused.err) == (2, True)


@pytest.mark.usefixtures("few_at_once")
@pytest.mark.parametrize("name", ["out", "out.csv", "out.parquet"])
def test_a_job_does_not_resume_with_another_output_file(
    run: Run, at: Callable[..., None], tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet_writer, "_USERS_A_PART", 20)
    arguments = ("batch", ids_file(tmp_path, STRANGERS), "--output", tmp_path / name)
    interrupted(run, at, *arguments)
    written = tmp_path / name / "part-00000.parquet" if name.endswith("parquet") else tmp_path / name
    mine = written.read_bytes()
    written.write_bytes(b"precious" * len(mine))
    before = held(tmp_path)
    refused = run(*arguments)
    assert refused.status == 2
    assert "it has changed since an earlier run" in refused.err
    assert held(tmp_path) == before
    written.write_bytes(mine)
    assert run(*arguments).status == 0
    whole = held(tmp_path)
    interrupted(run, at, *arguments, "--overwrite")
    written.write_bytes(b"precious")
    assert run(*arguments, "--overwrite").status == 0
    assert held(tmp_path) == whole


@pytest.mark.parametrize("name", ["out", "out.csv"])
def test_a_foreign_output_file_is_not_truncated(
    run: Run, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ("batch", ids_file(tmp_path, STRANGERS), "--output", tmp_path / name)

    def answer_nothing(*_: object) -> None:
        raise NothingToRecommendFromError

    with monkeypatch.context() as patch:
        patch.setattr(batch_run, "_ask", answer_nothing)
        assert run(*arguments).status == 1
    journal = tmp_path / f"{name}.resume" / "journal.json"
    begun = json.loads(journal.read_text())
    # The state after a kill before the first users were done.
    begun["progress"] |= {"position": 0, "fingerprint": ""}
    journal.write_text(json.dumps(begun))
    mine = (tmp_path / name).read_bytes()
    (tmp_path / name).write_text("precious")
    refused = run(*arguments)
    assert (refused.status, "it has changed since an earlier run" in refused.err) == (2, True)
    assert (tmp_path / name).read_text() == "precious"
    (tmp_path / name).write_bytes(mine[: len(mine) // 2])
    assert run(*arguments).status == 0


@pytest.mark.parametrize("overwrite", [[], ["--overwrite"]])
def test_an_output_that_cannot_be_created_leaves_no_job(
    run: Run, tmp_path: Path, overwrite: list[str]
) -> None:
    file, output = ids_file(tmp_path, STRANGERS), tmp_path / "out"
    output.symlink_to("out")
    for users in (STRANGERS, STRANGERS[1:]):
        ids_file(tmp_path, users)
        refused = run("batch", file, "--output", output, *overwrite)
        assert (refused.status, "out: File exists" in refused.err) == (2, True)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["ids.txt", "out"]


@pytest.mark.parametrize("overwrite", [[], ["--overwrite"]])
def test_parquet_refuses_a_folder_with_other_files(run: Run, tmp_path: Path, overwrite: list[str]) -> None:
    file, output = ids_file(tmp_path, STRANGERS), tmp_path / "out.parquet"
    (output / "part-00000.parquet").mkdir(parents=True)
    (output / "part-00000.parquet" / "notes.txt").write_text("precious")
    before = held(tmp_path)
    refused = run("batch", file, "--output", output, *overwrite)
    assert refused.status == 2
    assert "it holds part-00000.parquet, which this command did not make" in refused.err
    assert held(tmp_path) == before


@pytest.mark.parametrize(
    ("title", "written"),
    [
        ("Foo;=1+1", "Foo;'=1+1"),
        ("Foo\t+1", "Foo\t'+1"),
        ('Foo; "@SUM(1)', "Foo;' \"@SUM(1)"),
        ("a;b;\u00a0\uff1d1;-2", "a;b;'\u00a0\uff1d1;'-2"),
        ("Foo\n=1", "Foo\n'=1"),
        (" =1", "' =1"),
        ("\u200b\ufeff\uff0b1", "'\u200b\ufeff\uff0b1"),
        ("\uff201", "'\uff201"),
        ("1-2; 3=4", "1-2; 3=4"),
        ("a=b", "a=b"),
    ],
)
def test_formulas_are_defused_wherever_a_spreadsheet_may_begin_a_cell(title: str, written: str) -> None:
    """Spreadsheets also split at semicolons and tabs, and leave out characters that are not seen."""
    assert without_formulas(title) == written
