"""A folder of Parquet files to evaluate on. Needs pyarrow.

`interactions.parquet` has the columns user_id, item_id, timestamp, `type` or `rating`, and optionally
`value`. The optional `items.parquet` has item_id and `genres`, a list or a text separated by |. Each is a
file, or a folder of files that is read as one table.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from recommender.data.interactions import InteractionKind, Interactions, indexed_interactions
from recommender.demo.movielens import interaction_of, refuse_another_scale
from recommender.entities import InteractionTypes
from recommender.errors import EvaluationError, one_line
from recommender.evaluation.sources import Source, entry_of, printable_name

_FIVE_STARS = 5.0
_MICROSECONDS = 1e6
_UUID_BYTES = 16
# A number from here on is in the next smaller unit, down to nanoseconds: in seconds it is the year 5138, in
# milliseconds 1973.
_END_OF_UNIT, _NEXT_UNIT, _UNITS = 1e11, 1_000.0, 4
# As what a text that is a time is read: in a column, all or none of them have time zones.
_TIMES = (pa.float64(), pa.timestamp("us"), pa.timestamp("us", tz="UTC"))


class _Meaning(NamedTuple):
    """What rows mean, parallel; see `Interactions`. `valid`: False for rows to leave out."""

    kinds: NDArray[np.uint8]
    values: NDArray[np.float64]
    excluding: NDArray[np.bool_]
    valid: NDArray[np.bool_]


def parquet_source(folder: Path, types: InteractionTypes, scale: float) -> Source:
    """Read a folder.

    Args:
        folder: where the files are.
        types: what the texts of `type` mean; ratings are read as in MovieLens.
        scale: the highest possible rating.

    Raises:
        EvaluationError: a file or column is missing or invalid.
        LoadError: the ratings have another scale.
    """
    table = _read(folder / "interactions.parquet", ("user_id", "item_id", "timestamp"))
    interactions = _interactions(table, types, scale)
    genres = _genres_by_item(folder / "items.parquet")
    item_ids = sorted({*interactions.item_ids, *genres})
    entries = [entry_of(item_id, genres.get(item_id, ())) for item_id in item_ids]
    return Source(name=printable_name(folder), interactions=interactions, entries=entries)


def _read(path: Path, columns: Sequence[str]) -> pa.Table:
    if not (path.is_file() or path.is_dir()):
        raise EvaluationError(f"{path} does not exist")
    try:
        table = _table_in(path)
    except UnicodeEncodeError as exc:
        raise EvaluationError(f"{path} cannot be read as Parquet: its path is not UTF-8") from exc
    except (pa.ArrowException, OSError) as exc:
        raise EvaluationError(f"{path} cannot be read as Parquet: {one_line(exc)}") from exc
    missing = [column for column in columns if column not in table.column_names]
    if missing:
        raise EvaluationError(f"{path} has no column {', '.join(missing)}")
    for number, name in enumerate(table.column_names):
        if name in _CONVERSIONS:
            table = table.set_column(number, name, _converted(table[number], name, path.name))
    return table


def _table_in(path: Path) -> pa.Table:
    if path.is_dir():
        return pq.read_table(path)
    # Arrow opens no path that is not UTF-8.
    with path.open("rb") as file:
        return pq.read_table(file)


def _converted(column: pa.ChunkedArray, name: str, file_name: str) -> pa.ChunkedArray:
    conversion = _CONVERSIONS[name]
    try:
        return conversion.convert(_as_stored(column))
    except pa.ArrowException as exc:
        raise EvaluationError(
            f"{file_name}: {name} ({column.type}) cannot be read: {one_line(exc).rstrip('.')}. "
            f"Store it as {conversion.allowed}."
        ) from exc


def _as_stored(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column without the encoding of a dictionary, and without the meaning of an extension type."""
    if pa.types.is_dictionary(column.type):
        column = pc.cast(column, column.type.value_type)
    return column.cast(column.type.storage_type) if isinstance(column.type, pa.BaseExtensionType) else column


def _as_texts(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column as texts, and 16 bytes in each row as UUIDs.

    Raises:
        ArrowException: that is not possible.
    """
    if pa.types.is_fixed_size_binary(column.type) and column.type.byte_width == _UUID_BYTES:
        encoded = column.combine_chunks().dictionary_encode()
        spelled = pa.array([str(UUID(bytes=each)) for each in encoded.dictionary.to_pylist()], pa.string())
        column = pa.chunked_array([pa.DictionaryArray.from_arrays(encoded.indices, spelled)])
    texts = pc.cast(column, pa.string())
    # Arrow lets texts pass that are not UTF-8.
    texts.validate(full=True)
    return texts


def _as_times(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column as timestamps or numbers.

    Raises:
        ArrowException: that is not possible.
    """
    if pa.types.is_timestamp(column.type):
        return column
    if pa.types.is_date(column.type):
        return pc.cast(column, pa.timestamp("us"))
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return _as_numbers(column)
    for kind in _TIMES:
        try:
            return pc.cast(column, kind)
        except pa.ArrowInvalid:
            continue
    raise pa.ArrowInvalid("its texts are not all numbers, times without a time zone, or times with one")


def _as_numbers(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column as numbers; whole numbers above 2^53 are rounded.

    Raises:
        ArrowException: that is not possible.
    """
    return pc.cast(column, pa.float64(), safe=False)


class _Conversion(NamedTuple):
    """How a column is converted, and what it may hold, in words."""

    convert: Callable[[pa.ChunkedArray], pa.ChunkedArray]
    allowed: str


_IDS = _Conversion(_as_texts, "text, whole numbers or UUIDs")
_NUMBERS = _Conversion(_as_numbers, "numbers")
_CONVERSIONS = {
    "user_id": _IDS,
    "item_id": _IDS,
    "type": _Conversion(_as_texts, "text"),
    "timestamp": _Conversion(_as_times, "timestamps, dates, text in ISO 8601 or numbers"),
    "rating": _NUMBERS,
    "value": _NUMBERS,
}


@contextmanager
def _refusing_unreadable(name: str) -> Iterator[None]:
    """Refuse values that cannot be converted, among them texts that are not UTF-8, which Arrow lets pass."""
    try:
        yield
    except (pa.ArrowException, UnicodeDecodeError) as exc:
        raise EvaluationError(f"{name}: {one_line(exc)}") from exc


def _interactions(table: pa.Table, types: InteractionTypes, scale: float) -> Interactions:
    with _refusing_unreadable("interactions.parquet"):
        users, user_idx = _coded(table["user_id"])
        items, item_idx = _coded(table["item_id"])
        kinds, values, excluding, valid = _meant(table, types, scale)
        times = _seconds(table["timestamp"])
    # Drop interactions without user or item; those without a time are in no window.
    kinds[np.isnan(times)] = InteractionKind.OTHER
    known = valid & (user_idx >= 0) & (item_idx >= 0)
    return indexed_interactions(
        users,
        items,
        user_idx=user_idx[known],
        item_idx=item_idx[known],
        kinds=kinds[known],
        values=values[known],
        times=times[known],
        excluding=excluding[known],
    )


def _meant(table: pa.Table, types: InteractionTypes, scale: float) -> _Meaning:
    """Return what each row means; values come from `value`, else from the rating, else are 1."""
    if "type" in table.column_names:
        meaning = _typed(table["type"], types)
    elif "rating" in table.column_names:
        meaning = _rated(table["rating"], scale)
    else:
        raise EvaluationError("interactions.parquet has neither a column type nor a column rating")
    if "value" in table.column_names:
        values = np.nan_to_num(_numbers(table["value"]), posinf=0.0, neginf=0.0)
        return meaning._replace(values=values)
    return meaning


def _typed(column: pa.ChunkedArray, types: InteractionTypes) -> _Meaning:
    names, codes = _coded(column)
    # The last entry is for rows without a type.
    kinds = np.array([*(_kind_of(name, types) for name in names), InteractionKind.OTHER], dtype=np.uint8)
    excluding = np.array([not types.excluding or name in types.excluding for name in [*names, None]])
    return _Meaning(kinds[codes], np.ones(len(codes)), excluding[codes], np.ones(len(codes), dtype=np.bool_))


def _rated(column: pa.ChunkedArray, scale: float) -> _Meaning:
    """Return what ratings mean; single ones that are not on the scale are left out, as of MovieLens."""
    ratings = _numbers(column)
    refuse_another_scale(int((np.isfinite(ratings) & (ratings > scale)).sum()), len(ratings), scale)
    stars, codes = np.unique(ratings, return_inverse=True)
    rated = [interaction_of(each * _FIVE_STARS / scale) for each in stars.tolist()]
    return _Meaning(
        np.array([InteractionKind[kind] for kind, _ in rated], dtype=np.uint8)[codes],
        np.array([value for _, value in rated], dtype=np.float64)[codes],
        np.ones(len(codes), dtype=np.bool_),
        (ratings >= 0) & (ratings <= scale),
    )


def _kind_of(name: str, types: InteractionTypes) -> InteractionKind:
    if name in types.likes:
        return InteractionKind.LIKE
    if name in types.watches:
        return InteractionKind.WATCH
    return InteractionKind.DISLIKE if name in types.dislikes else InteractionKind.OTHER


def _coded(column: pa.ChunkedArray) -> tuple[list[str], NDArray[np.int64]]:
    """Return the distinct texts of a column, and each row's index into them, -1 for none."""
    encoded = pc.cast(column, pa.string()).combine_chunks().dictionary_encode()
    codes = pc.fill_null(pc.cast(encoded.indices, pa.int64()), -1)
    return encoded.dictionary.to_pylist(), np.array(codes, dtype=np.int64)


def _numbers(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """Return a column as numbers, NaN for none; whole numbers above 2^53 are rounded."""
    values = pc.fill_null(pc.cast(column, pa.float64(), safe=False), float("nan"))
    return np.array(values, dtype=np.float64)


def _seconds(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """Convert timestamps, or numbers in seconds or fractions of them, to seconds since 1970 UTC.

    Raises:
        EvaluationError: a number is too large for each unit.
    """
    if pa.types.is_timestamp(column.type):
        whole = pc.cast(pc.cast(column, pa.timestamp("us", tz=column.type.tz), safe=False), pa.int64())
        return _numbers(whole) / _MICROSECONDS
    given = seconds = _numbers(column)
    for _ in range(1, _UNITS):
        seconds = np.where(np.abs(seconds) >= _END_OF_UNIT, seconds / _NEXT_UNIT, seconds)
    excessive = np.isfinite(seconds) & (np.abs(seconds) >= _END_OF_UNIT)
    if excessive.any():
        raise EvaluationError(
            f"interactions.parquet: timestamp holds {given[excessive][0]:g}, which is no time since 1970 in "
            "seconds, milliseconds, microseconds or nanoseconds"
        )
    return seconds


def _genres_by_item(path: Path) -> dict[str, Sequence[str]]:
    if not path.exists():
        return {}
    table = _read(path, ("item_id", "genres"))
    with _refusing_unreadable(f"{path.name}: genres"):
        given: list[Any] = table["genres"].to_pylist()
    ids = table["item_id"].to_pylist()
    return {
        item_id: _names(genres) for item_id, genres in zip(ids, given, strict=True) if item_id is not None
    }


def _names(genres: Any) -> list[str]:
    """Return the names of a list, or of a text separated by |.

    Raises:
        EvaluationError: it is neither.
    """
    names = genres.split("|") if isinstance(genres, str) else [] if genres is None else genres
    if not isinstance(names, list) or not all(name is None or isinstance(name, str) for name in names):
        raise EvaluationError(f"items.parquet: genres {genres!r} are neither a text nor a list of texts")
    return [name.strip() for name in names if name and name.strip()]
