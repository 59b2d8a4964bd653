"""Reading of CSV: whatever a file holds, each of its lines is either read or named."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recommender.demo.delimited import DelimitedFile
from recommender.demo.line_notes import ReadNotes

COLUMNS = ("movieId", "title", "genres")
HEADER = "movieId,title,genres\n"
# Of few characters, so that quotes, commas and line breaks meet.
DAMAGED = st.text(alphabet='1a",\n\r \0', max_size=60)
# Line breaks within a value are told from the next record by what follows: see the module.
VALUES = st.text(alphabet=st.characters(exclude_characters="\n\r\0", exclude_categories=["Cs"]), max_size=12)


def read(path: Path, content: bytes) -> tuple[list[list[str]], ReadNotes]:
    path.write_bytes(content)
    notes = ReadNotes()
    return [record.values for record in DelimitedFile(path, COLUMNS).records(notes)], notes


def count(notes: ReadNotes) -> int:
    return sum(count for _, count, _ in notes.skipped)


@given(text=DAMAGED)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_no_line_disappears(tmp_path: Path, text: str) -> None:
    rows, notes = read(tmp_path / "movies.csv", (HEADER + text).encode())
    lines = [line for line in text.encode().splitlines() if line.replace(b"\0", b"").strip()]
    # Only a line that is no record by itself may be the rest of a quoted value.
    parts = sum(line.count(b",") < len(COLUMNS) - 1 for line in lines)
    assert 0 <= len(lines) - len(rows) - count(notes) <= parts


@given(rows=st.lists(st.tuples(VALUES, VALUES, VALUES), max_size=5))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_csv_as_others_write_it_is_read_as_it_was_written(
    tmp_path: Path, rows: list[tuple[str, str, str]]
) -> None:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    read_rows, notes = read(tmp_path / "movies.csv", (HEADER + text.getvalue()).encode())
    blank = [row for row in rows if not ",".join(row).strip()]
    assert read_rows == [[value.strip() for value in row] for row in rows if row not in blank]
    assert not notes.skipped
    assert not notes.adjusted


@pytest.mark.parametrize("text", ['1,"a,b\n2,c,d\n', '1,"a\n2,"b"\n3,c,d\n', '1,"a,b\n' * 30 + "2,c,d\n"])
def test_a_stray_quote_swallows_no_record(tmp_path: Path, text: str) -> None:
    rows, _ = read(tmp_path / "movies.csv", (HEADER + text).encode())
    assert rows[-1][1:] == ["c", "d"]
