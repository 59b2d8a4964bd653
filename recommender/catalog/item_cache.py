"""Cache the last known details of items, for outages of catalog_db."""

import sys
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain

from recommender.entities import Item, Value

# Bytes of an item with its dict and its entries in the two dicts here, and of each value without its texts.
_OVERHEAD_BYTES = 400
_VALUE_BYTES = 60
# Once written as JSON, a text that is not ASCII also keeps its UTF-8 form, at most twice its own size.
_NOT_ASCII = 3


class ItemCache:
    """Details by id, bounded in number and in bytes; the least recently shown are dropped first.

    Thread-safe.
    """

    def __init__(self, size: int, max_bytes: int) -> None:
        self._size = size
        self._max_bytes = max_bytes
        self._items: OrderedDict[str, Item] = OrderedDict()
        self._bytes_of: dict[str, int] = {}
        self._bytes = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._items)

    @property
    def bytes(self) -> int:
        """An estimate of the bytes that the details take."""
        return self._bytes

    @property
    def known(self) -> Mapping[str, Item]:
        """The details by id, which change with each `remember`."""
        return self._items

    def remember(self, items: Mapping[str, Item]) -> None:
        """Keep details just read; an item larger than the budget is not kept."""
        with self._lock:
            for item_id, details in items.items():
                if self._items.get(item_id) is details:
                    self._items.move_to_end(item_id)
                else:
                    self._replace(item_id, details)
            while len(self._items) > self._size or self._bytes > self._max_bytes:
                self._drop(next(iter(self._items)))

    def forget(self, item_ids: Iterable[str]) -> None:
        """Drop items that are gone from the catalog."""
        with self._lock:
            for item_id in item_ids:
                self._drop(item_id)

    def snapshot(self) -> dict[str, Item]:
        """Return all cached details."""
        with self._lock:
            return dict(self._items)

    def _replace(self, item_id: str, details: Item) -> None:
        self._drop(item_id)
        size = _bytes_of(details)
        if size <= self._max_bytes:
            self._items[item_id] = details
            self._bytes_of[item_id] = size
            self._bytes += size

    def _drop(self, item_id: str) -> None:
        if self._items.pop(item_id, None) is not None:
            self._bytes -= self._bytes_of.pop(item_id)


def _bytes_of(item: Item) -> int:
    """Return an upper bound of the bytes that an item's details take."""
    values = item.attributes.values()
    size = _OVERHEAD_BYTES + _VALUE_BYTES * len(values) + sys.getsizeof(item.row)
    for text in (item.id, *chain.from_iterable(_texts(value) for value in values)):
        size += sys.getsizeof(text) if text.isascii() else _NOT_ASCII * sys.getsizeof(text)
    # Most texts of its row are the same objects as the values.
    counted = {id(item.id), *map(id, values)}
    for value in item.row:
        if isinstance(value, list):
            size += sys.getsizeof(value) + sum(map(sys.getsizeof, value))
        elif id(value) not in counted:
            size += sys.getsizeof(value)
    return size


def _texts(value: Value) -> Sequence[str]:
    if isinstance(value, tuple):
        return value
    return (value,) if isinstance(value, str) else ()
