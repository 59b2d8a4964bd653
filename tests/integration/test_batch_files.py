"""What `batch` writes can be read by others, whatever text it holds, and it removes no files but its own."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from recommender.domain import DatabaseName
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
    """Give the media these titles by turns; the users."""
    with psycopg.connect(urls[DatabaseName.CATALOG]) as connection:
        connection.execute(
            "UPDATE medias SET title = (%s::text[])[1 + abs(hashtext(id::text)) %% %s]", (titles, len(titles))
        )
    return Reference(urls).users[:4]


def test_text_of_any_kind_is_read_as_it_was_written(run_alone: Run, databases: Urls, tmp_path: Path) -> None:
    file = ids_file(tmp_path, set_titles(databases, [*TEXTS, *FORMULAS, None]))
    for output in ("out.ndjson", "out.csv", "out.parquet"):
        arguments = ("--output", tmp_path / output, "--limit", 100, "--no-defuse-formulas")
        assert run_alone("batch", file, *arguments).status == 0
    lines = (tmp_path / "out.ndjson").read_bytes().split(b"\n")
    assert len(lines) == 4 + 1
    expected = flat(b"\n".join(lines))
    assert {row[3] for row in expected} == {*TEXTS, *FORMULAS}
    assert read_csv(tmp_path / "out.csv")[1:] == expected
    assert read_parquet(tmp_path / "out.parquet")[1:] == expected


def test_csv_quotes_what_a_reader_could_take_for_something_else(
    run_alone: Run, databases: Urls, tmp_path: Path
) -> None:
    file = ids_file(tmp_path, set_titles(databases, list(TEXTS)))
    assert run_alone("batch", file, "--output", tmp_path / "out.csv", "--limit", 100).status == 0
    written = (tmp_path / "out.csv").read_bytes()
    for text in TEXTS[:6]:
        quoted = '"{}"'.format(text.replace('"', '""')).encode()
        assert written.count(b"," + quoted + b",") == written.count(quoted) > 0
    assert b",plain," in written
    assert written.endswith(b"\r\n")
    assert len(list(csv.reader(written.decode().splitlines(keepends=True), strict=True))) > 4
    assert not any(b"\n" in record or b"\r" in record for record in unquoted(written).split(b"\r\n"))


def unquoted(written: bytes) -> bytes:
    """A CSV file without what is in quotes."""
    return b"".join(written.split(b'"')[::2])


def test_formulas_are_defused_in_text_and_nowhere_else(
    run_alone: Run, databases: Urls, tmp_path: Path
) -> None:
    users = set_titles(databases, [*TEXTS, *FORMULAS])
    with psycopg.connect(databases[DatabaseName.CATALOG]) as connection:
        connection.execute("UPDATE medias SET media_type = '@' || media_type, release_year = -3")
        connection.execute("UPDATE tb_media_genre SET genre_name = '=' || genre_name")
    file = ids_file(tmp_path, users)
    assert run_alone("batch", file, "--output", tmp_path / "plain", "--limit", 50).status == 0
    assert run_alone("batch", file, "--output", tmp_path / "out.csv", "--limit", 50).status == 0
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
def test_whether_formulas_are_defused_is_part_of_the_job_where_it_matters(
    run: Run, at: Callable[..., None], tmp_path: Path
) -> None:
    for output, status in (("out.csv", 2), ("out.ndjson", 0)):
        arguments = ("batch", ids_file(tmp_path, STRANGERS), "--output", tmp_path / output)
        interrupted(run, at, *arguments)
        other = run(*arguments, "--no-defuse-formulas")
        assert other.status == status
        assert ("with formulas defused, not as they are" in other.err) == (status == 2)
    assert json.loads((tmp_path / "out.ndjson").read_text().splitlines()[-1])["user_id"] == STRANGERS[-1]
