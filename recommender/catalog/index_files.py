"""Store a catalog index in one file of arrays, which the workers of a host map into memory."""

import mmap
import os
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import IO, Any

import numpy as np
import orjson
from numpy.typing import NDArray

from recommender.catalog.attribute_arrays import (
    AttributeArray,
    CategoryArray,
    LargeSetArray,
    NumberArray,
    SetArray,
    numbered,
)
from recommender.catalog.index import CatalogIndex
from recommender.catalog.item_keys import ItemKeys, KeyArrays
from recommender.catalog.popularity import Popularity
from recommender.ranking.genre_matching import GenreRates
from recommender.texts.id_table import IdTable, IdTexts

Arrays = dict[str, NDArray[Any]]

# The size of a cache line, in bytes; arrays begin at multiples of it.
_ALIGNMENT = 64
# Format of the header's length, which precedes the header.
_LENGTH = np.dtype("<u8")
_KIND_OF: dict[type[AttributeArray], str] = {
    SetArray: "set",
    LargeSetArray: "large_set",
    CategoryArray: "category",
    NumberArray: "number",
}


def write_index(file: IO[bytes], index: CatalogIndex) -> str:
    """Write an index, and return the checksum of the file's content.

    Raises:
        OSError: the disk is full.
    """
    arrays, values = _parts_of(index)
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    forms, offset = {}, 0
    for name, array in contiguous.items():
        forms[name] = (array.dtype.str, array.shape, offset)
        offset += _padded(array.nbytes)
    header = orjson.dumps({"values": values, "arrays": forms})
    header = header.ljust(_padded(_LENGTH.itemsize + len(header)) - _LENGTH.itemsize)
    digest = sha256()

    def write(content: bytes | memoryview) -> None:
        file.write(content)
        digest.update(content)

    write(np.array(len(header), dtype=_LENGTH).tobytes() + header)
    for array in contiguous.values():
        write(array.reshape(-1).view(np.uint8).data)
        write(bytes(_padded(array.nbytes) - array.nbytes))
    return digest.hexdigest()


def map_index(path: Path, checksum: str) -> CatalogIndex:
    """Map the index of a file, which may be removed afterwards, but not changed.

    Comparing the checksum also reads every page, so that no request has to wait for the disk.

    Raises:
        ValueError: the content has changed.
        OSError: it cannot be read.
    """
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        content = memoryview(mmap.mmap(handle, 0, access=mmap.ACCESS_READ))
    finally:
        os.close(handle)
    if sha256(content).hexdigest() != checksum:
        raise ValueError("the checksum differs")
    length = int(np.frombuffer(content, dtype=_LENGTH, count=1)[0])
    begin = _LENGTH.itemsize + length
    header = orjson.loads(content[_LENGTH.itemsize : begin])
    arrays = {}
    for name, (form, shape, offset) in header["arrays"].items():
        count = int(np.prod(shape))
        array = np.frombuffer(content, dtype=form, count=count, offset=begin + offset)
        arrays[name] = array.reshape(shape)
    return _index_of(arrays, header["values"])


def _padded(length: int) -> int:
    return -(-length // _ALIGNMENT) * _ALIGNMENT


def _parts_of(index: CatalogIndex) -> tuple[Arrays, dict[str, Any]]:
    """Return the arrays of an index by name, and its other values for JSON."""
    popularity, keys = index.popularity, index.item_keys
    arrays: Arrays = {
        "ids.starts": popularity.ids.texts.starts,
        "ids.content": popularity.ids.texts.content,
        "ids.slots": popularity.ids.slots,
        "popularity.users": popularity.users,
        "popularity.repeats": popularity.repeats,
        **{f"keys.{name}": array for name, array in keys.arrays._asdict().items()},
        **{f"rates.{name}": getattr(index.genre_rates, name) for name in GenreRates.__slots__},
    }
    attributes = []
    for name, attribute in index.attributes.items():
        names = [] if isinstance(attribute, NumberArray) else list(attribute.numbers)
        attributes.append((name, _KIND_OF[type(attribute)], names))
        arrays[f"attribute.{name}"] = attribute.array
        if isinstance(attribute, LargeSetArray):
            arrays[f"starts.{name}"] = attribute.starts
    values = {
        "version": index.version,
        "repetition": index.repetition,
        "media": len(index.item_ids),
        "words": keys.words,
        "attributes": attributes,
        "active_users": popularity.active_users,
        "window_start": popularity.window_start,
        "known": popularity.known,
        "rows": popularity.rows,
    }
    return arrays, values


def _index_of(arrays: Arrays, values: Mapping[str, Any]) -> CatalogIndex:
    ids = IdTable(IdTexts(arrays["ids.starts"], arrays["ids.content"]), arrays["ids.slots"])
    popularity = Popularity(
        ids,
        arrays["popularity.users"],
        arrays["popularity.repeats"],
        **{name: values[name] for name in ("active_users", "window_start", "known", "rows")},
    )
    attributes = {
        name: _attribute_of(name, kind, names, arrays) for name, kind, names in values["attributes"]
    }
    genres = next(iter(attributes.values()))
    if not isinstance(genres, SetArray):
        raise ValueError("the first attribute is not a set")
    item_count = values["media"]
    return CatalogIndex(
        version=values["version"],
        repetition=values["repetition"],
        item_ids=ids.texts.first(item_count),
        item_keys=ItemKeys(
            values["words"], KeyArrays(*(arrays[f"keys.{name}"] for name in KeyArrays._fields))
        ),
        genres=genres,
        attributes=attributes,
        user_counts=popularity.users[:item_count],
        popularity=popularity,
        genre_rates=GenreRates(**{name: arrays[f"rates.{name}"] for name in GenreRates.__slots__}),
    )


def _attribute_of(name: str, kind: str, names: list[str], arrays: Arrays) -> AttributeArray:
    array = arrays[f"attribute.{name}"]
    if kind == "number":
        return NumberArray(array)
    if kind == "category":
        return CategoryArray(array, numbered(names))
    if kind == "large_set":
        return LargeSetArray(arrays[f"starts.{name}"], array, numbered(names))
    return SetArray(array, numbered(names))
