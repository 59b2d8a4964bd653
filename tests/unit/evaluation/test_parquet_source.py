"""Parquet files are read whatever the unit of their times is, and malformed ones are refused in one line."""

import os
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recommender.data.interactions import InteractionKind
from recommender.entities import InteractionTypes
from recommender.errors import EvaluationError, LoadError
from recommender.evaluation.parquet_source import parquet_source
from recommender.evaluation.sources import Source

TYPES = InteractionTypes(likes=("LIKE",), dislikes=("DISLIKE",), watches=("WATCH",))
MOMENT = datetime(2026, 6, 1, 12, tzinfo=UTC).timestamp()
EARLY = datetime(1931, 2, 3, tzinfo=UTC).timestamp()


def written(folder: Path, *, items: pa.Table | None = None, **columns: Any) -> Path:
    """Write the two files; columns replace those of a single interaction."""
    table = {"user_id": ["u"], "item_id": ["i"], "timestamp": [int(MOMENT)], "type": ["LIKE"], **columns}
    pq.write_table(pa.table(table), folder / "interactions.parquet")
    if items is not None:
        pq.write_table(items, folder / "items.parquet")
    return folder


def read(folder: Path) -> Source:
    return parquet_source(folder, TYPES, 5.0)


def undecodable() -> pa.Array:
    """Return a column of text whose bytes are not UTF-8."""
    return pa.array([b"\xff\xfe"], pa.binary()).view(pa.string())


@pytest.mark.parametrize("unit", [1, 1_000, 1_000_000, 1_000_000_000])
@pytest.mark.parametrize("kind", [pa.int64(), pa.float64()])
@pytest.mark.parametrize("moment", [MOMENT, EARLY])
def test_numbers_are_times_in_any_usual_unit(
    tmp_path: Path, unit: int, kind: pa.DataType, moment: float
) -> None:
    times = pa.array([int(moment) * unit]).cast(kind, safe=False)
    assert read(written(tmp_path, timestamp=times)).interactions.times.tolist() == [moment]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_timestamps_are_read_in_each_unit(tmp_path: Path, unit: str) -> None:
    times = pa.array([datetime.fromtimestamp(MOMENT, UTC)], pa.timestamp(unit, tz="UTC"))
    assert read(written(tmp_path, timestamp=times)).interactions.times.tolist() == [MOMENT]


@pytest.mark.parametrize(
    ("excluding", "expected"),
    [((), [True, True, True, True]), (("DISLIKE", "HIDE"), [False, True, True, False])],
)
def test_only_the_excluding_types_exclude_an_item(
    tmp_path: Path, excluding: tuple[str, ...], expected: list[bool]
) -> None:
    written(
        tmp_path,
        user_id=["u"] * 4,
        item_id=["a", "b", "c", "d"],
        timestamp=[MOMENT] * 4,
        type=["WATCH", "DISLIKE", "HIDE", None],
    )
    types = TYPES.model_copy(update={"excluding": excluding})
    assert parquet_source(tmp_path, types, 5.0).interactions.excluding.tolist() == expected


def rated(folder: Path, ratings: Sequence[float | None]) -> Path:
    """Write one rating of each user."""
    users = [f"user{number:04}" for number in range(len(ratings))]
    columns = {"user_id": users, "item_id": ["i"] * len(users), "timestamp": [MOMENT] * len(users)}
    pq.write_table(pa.table({**columns, "rating": ratings}), folder / "interactions.parquet")
    return folder


def test_ratings_of_a_larger_scale_are_refused(tmp_path: Path) -> None:
    rated(tmp_path, [7.0] * 10 + [4.0] * 900)
    with pytest.raises(LoadError, match=r"^10 of 910 ratings are above 5: .* --scale"):
        read(tmp_path)
    assert len(parquet_source(tmp_path, TYPES, 10.0).interactions.kinds) == 910


def test_single_ratings_that_are_not_on_the_scale_are_left_out(tmp_path: Path) -> None:
    found = read(rated(tmp_path, [4.0, 7.0, -1.0, None, np.nan, np.inf, 0.0, 5.0])).interactions
    assert found.user_ids[-1] == "user0007"
    assert found.user_idx.tolist() == [0, 6, 7]
    assert found.kinds.tolist() == [InteractionKind.LIKE, InteractionKind.DISLIKE, InteractionKind.LIKE]


@pytest.mark.parametrize(
    "time",
    [
        pa.array([date(2026, 6, 1)], pa.date32()),
        pa.array([date(2026, 6, 1)], pa.date64()),
        ["2026-06-01"],
        ["2026-06-01T00:00:00"],
        ["2026-06-01 02:00:00+02:00"],
        ["1780272000"],
        pa.array(["2026-06-01T00:00:00.000Z"], pa.large_string()).dictionary_encode(),
    ],
    ids=["date", "date64", "day", "ISO 8601", "with a time zone", "number as text", "dictionary"],
)
def test_dates_and_texts_are_times(tmp_path: Path, time: Any) -> None:
    (found,) = read(written(tmp_path, timestamp=time)).interactions.times
    assert found == datetime(2026, 6, 1, tzinfo=UTC).timestamp()


ID = UUID("1af0e4f6-8f1c-4d3b-9d6e-7f0f7c9f0a11")


@pytest.mark.parametrize("kind", [pa.uuid(), pa.binary(16)], ids=str)
def test_uuids_in_binary_are_read_in_their_usual_spelling(tmp_path: Path, kind: pa.DataType) -> None:
    ids = pa.array([ID.bytes, None], kind)
    items = pa.table({"item_id": ids, "genres": ["Drama", "War"]})
    columns = {"timestamp": [1, 1], "type": ["LIKE", "LIKE"]}
    found = read(written(tmp_path, items=items, user_id=ids, item_id=ids, **columns))
    assert (found.interactions.user_ids, found.interactions.item_ids) == ([str(ID)], [str(ID)])
    assert len(found.interactions.times) == 1
    assert [(entry.item_id, entry.genre_names) for entry in found.entries] == [(str(ID), ["Drama"])]


@pytest.mark.parametrize(
    ("column", "values", "remedy"),
    [
        ("user_id", [["u"]], "Store it as text, whole numbers or UUIDs."),
        ("item_id", [b"\xff"], "Store it as text, whole numbers or UUIDs."),
        ("type", [{"name": "LIKE"}], "Store it as text."),
        ("timestamp", [["2026-06-01"]], "Store it as timestamps, dates, text in ISO 8601 or numbers."),
        ("timestamp", ["yesterday"], "Store it as timestamps, dates, text in ISO 8601 or numbers."),
        ("value", [["1"]], "Store it as numbers."),
    ],
)
def test_a_column_that_cannot_be_read_is_named_with_what_it_may_hold(
    tmp_path: Path, column: str, values: Any, remedy: str
) -> None:
    with pytest.raises(EvaluationError) as refused:
        read(written(tmp_path, **{column: values}))
    assert re.match(rf"interactions\.parquet: {column} \(.*\) cannot be read: ", str(refused.value))
    assert str(refused.value).endswith(remedy)


def test_a_folder_of_parts_is_read_as_one_table(tmp_path: Path) -> None:
    for name, column in (("interactions", "user_id"), ("items", "genres")):
        folder = tmp_path / f"{name}.parquet"
        folder.mkdir()
        (folder / "_SUCCESS").touch()
        for number in range(2):
            table = {"item_id": [f"i{number}"], "timestamp": [1], "type": ["LIKE"], column: [f"{number}"]}
            pq.write_table(pa.table(table), folder / f"part-{number}.parquet")
    found = read(tmp_path)
    assert found.interactions.user_ids == ["0", "1"]
    assert [entry.genre_names for entry in found.entries] == [["0"], ["1"]]


def test_a_folder_whose_name_is_not_utf_8_is_read(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    # Arrow cannot write there either.
    folder = written(tmp_path / "folder").rename(os.fsdecode(os.fsencode(tmp_path / "folder") + b"\xff"))
    assert read(folder).name == "folder\\udcff"
    (folder / "items.parquet").mkdir()
    with pytest.raises(EvaluationError, match="its path is not UTF-8"):
        read(folder)


@pytest.mark.parametrize("kind", [pa.int64(), pa.float64(), pa.timestamp("us")])
def test_an_interaction_without_a_time_is_in_no_window(tmp_path: Path, kind: pa.DataType) -> None:
    found = read(written(tmp_path, timestamp=pa.array([None], kind))).interactions
    assert np.isnan(found.times).all()


def test_a_number_that_is_no_time_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match=r"interactions\.parquet: timestamp holds 1e\+25"):
        read(written(tmp_path, timestamp=[1e25]))


@pytest.mark.parametrize(
    "genres",
    [["Drama|War"], [["Drama", None, " War "]], pa.array(["Drama|War"]).dictionary_encode()],
    ids=["text", "list", "dictionary"],
)
def test_genres_are_a_text_or_a_list(tmp_path: Path, genres: Any) -> None:
    (entry,) = read(written(tmp_path, items=pa.table({"item_id": ["i"], "genres": genres}))).entries
    assert entry.genre_names == ["Drama", "War"]


@pytest.mark.parametrize(
    "genres",
    [[5], [[1, 2]], [{"name": "Drama"}], [b"Drama"], [[["Drama"]]]],
    ids=["number", "numbers", "struct", "bytes", "nested"],
)
def test_other_genres_are_refused(tmp_path: Path, genres: Any) -> None:
    with pytest.raises(EvaluationError, match=r"items\.parquet: genres .* neither a text nor"):
        read(written(tmp_path, items=pa.table({"item_id": ["i"], "genres": genres})))


@pytest.mark.parametrize(
    "columns",
    [
        {"item_id": [["i"]], "genres": ["Drama"]},
        {"item_id": [b"\xff"], "genres": ["Drama"]},
        {"item_id": undecodable(), "genres": ["Drama"]},
        {"item_id": ["i"], "genres": undecodable()},
    ],
    ids=["list", "bytes", "text", "genres"],
)
def test_unreadable_items_are_refused(tmp_path: Path, columns: dict[str, Any]) -> None:
    with pytest.raises(EvaluationError, match=r"items\.parquet: "):
        read(written(tmp_path, items=pa.table(columns)))


@pytest.mark.parametrize("column", ["user_id", "item_id", "type"])
def test_undecodable_interactions_are_refused(tmp_path: Path, column: str) -> None:
    with pytest.raises(EvaluationError, match=r"interactions\.parquet: "):
        read(written(tmp_path, **{column: undecodable()}))


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path) / "interactions.parquet"
    content = path.read_bytes()
    path.write_bytes(content[:4] + b"\x00" * 40 + content[44:])
    with pytest.raises(EvaluationError, match="cannot be read as Parquet"):
        read(tmp_path)
