"""Every line of a CSV file is either read or reported, whatever the file holds."""

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
# Few different characters, so that quotes, commas and line breaks are often adjacent.
DAMAGED = st.text(alphabet='1a",\n\r \0', max_size=60)
# The text after a line break decides whether it belongs to the value: see the module.
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
    # Only a line that is not a record by itself may continue a quoted value.
    parts = sum(line.count(b",") < len(COLUMNS) - 1 for line in lines)
    assert 0 <= len(lines) - len(rows) - count(notes) <= parts


@given(rows=st.lists(st.tuples(VALUES, VALUES, VALUES), max_size=5))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_csv_of_other_programs_is_read_unchanged(tmp_path: Path, rows: list[tuple[str, str, str]]) -> None:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    read_rows, notes = read(tmp_path / "movies.csv", (HEADER + text.getvalue()).encode())
    blank = [row for row in rows if not ",".join(row).strip()]
    assert read_rows == [[value.strip() for value in row] for row in rows if row not in blank]
    assert not notes.skipped
    assert not notes.adjusted


@pytest.mark.parametrize("text", ['1,"a,b\n2,c,d\n', '1,"a\n2,"b"\n3,c,d\n', '1,"a,b\n' * 30 + "2,c,d\n"])
def test_an_unmatched_quote_swallows_no_record(tmp_path: Path, text: str) -> None:
    rows, _ = read(tmp_path / "movies.csv", (HEADER + text).encode())
    assert rows[-1][1:] == ["c", "d"]
