"""Keep the catalog indexes that requests may use: the current, the next, and some earlier ones."""

import threading
import time
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from recommender.catalog.index import CatalogIndex, are_interchangeable

# Indexes before the last one are kept up to this total number of items: some 100 MB that the workers share.
_MAX_KEPT_ITEMS = 500_000


@dataclass(frozen=True, slots=True)
class Loaded:
    """An index, when its load began, and when its popularity was counted, by the monotonic clock."""

    index: CatalogIndex
    loaded_at: float
    counted_at: float


@dataclass(frozen=True, slots=True)
class _Scheduled:
    loaded: Loaded
    starts_at: float


@dataclass(frozen=True, slots=True)
class _Replaced:
    index: CatalogIndex
    until: float


@dataclass(frozen=True, slots=True)
class _Gone:
    """Items found to be gone, as item_idx in the index of a version."""

    found_at: float
    item_idx: NDArray[np.intp]


class IndexVersions:
    """Own the indexes of a process; switch to the next one at its moment. Thread-safe."""

    def __init__(self, keep_s: float) -> None:
        """Start without an index; a replaced index stays available for `keep_s` seconds."""
        self._keep_s = keep_s
        self._current: Loaded | None = None
        self._next: _Scheduled | None = None
        self._replaced: tuple[_Replaced, ...] = ()
        self._gone: dict[str, list[_Gone]] = {}
        self._existing: dict[str, NDArray[np.bool_]] = {}
        self._lock = threading.Lock()

    def current(self) -> Loaded | None:
        """Return the index in use; None if there is none yet."""
        scheduled = self._next
        if scheduled is not None and time.monotonic() >= scheduled.starts_at:
            with self._lock:
                if self._next is scheduled:
                    self._next = None
                    self._switch(scheduled.loaded)
        return self._current

    @property
    def is_waiting(self) -> bool:
        """Whether an index waits for its switch."""
        # Read once: a request may make the switch meanwhile.
        scheduled = self._next
        return scheduled is not None and scheduled.starts_at > time.monotonic()

    def find(self, version: str) -> CatalogIndex | None:
        """Return the index of a version, if it is current, scheduled, or recently replaced."""
        current, scheduled, now = self.current(), self._next, time.monotonic()
        candidates = [
            *([current.index] if current else ()),
            *([scheduled.loaded.index] if scheduled else ()),
            *(replaced.index for replaced in self._replaced if replaced.until > now),
        ]
        return next((index for index in candidates if index.version == version), None)

    def schedule(self, loaded: Loaded, starts_at: float) -> None:
        """Switch to an index at a moment of the monotonic clock, or at once if that has passed.

        A load of the version in use confirms it at once. Its index replaces the one in use only if live SQL
        would read more or less by it.
        """
        version = loaded.index.version
        current = self.current()
        with self._lock:
            if current is not None and current.index.version == version:
                self._next = None
                is_same = are_interchangeable(current.index, loaded.index)
                self._current = replace(loaded, index=current.index) if is_same else loaded
                self._forget_gone_before(version, loaded.loaded_at)
            elif current is None or starts_at <= time.monotonic():
                self._next = None
                self._switch(loaded)
            else:
                self._next = _Scheduled(loaded, starts_at)

    def existing(self, index: CatalogIndex) -> NDArray[np.bool_]:
        """Return a mask of an index, false for items found to be gone since it was loaded."""
        mask = self._existing.get(index.version)
        return np.ones(len(index.item_ids), dtype=np.bool_) if mask is None else mask

    def mark_gone(self, index: CatalogIndex, item_idx: NDArray[np.intp], asked_at: float) -> None:
        """Leave out items that were gone at `asked_at`, unless a load has begun since then."""
        with self._lock:
            current = self._current
            if current and current.index.version == index.version and current.loaded_at > asked_at:
                return
            self._gone.setdefault(index.version, []).append(_Gone(asked_at, item_idx))
            mask = self.existing(index).copy()
            mask[item_idx] = False
            self._existing[index.version] = mask

    def drop_expired(self) -> None:
        """Drop replaced indexes that have expired."""
        with self._lock:
            now, item_count = time.monotonic(), 0
            kept: list[_Replaced] = []
            for replaced in self._replaced:
                item_count += len(replaced.index.item_ids)
                if replaced.until > now and (not kept or item_count <= _MAX_KEPT_ITEMS):
                    kept.append(replaced)
            self._replaced = tuple(kept)
            versions = {replaced.index.version for replaced in kept}
            versions |= {self._current.index.version} if self._current else set()
            for version in self._gone.keys() - versions:
                del self._gone[version], self._existing[version]

    def _switch(self, loaded: Loaded) -> None:
        before = self._current
        self._current = loaded
        version = loaded.index.version
        self._forget_gone_before(version, loaded.loaded_at)
        others = tuple(replaced for replaced in self._replaced if replaced.index.version != version)
        if before is not None:
            others = (_Replaced(before.index, time.monotonic() + self._keep_s), *others)
        self._replaced = others

    def _forget_gone_before(self, version: str, moment: float) -> None:
        later = [gone for gone in self._gone.get(version, ()) if gone.found_at >= moment]
        mask = self._existing.pop(version, None)
        if mask is None:
            return
        self._gone.pop(version)
        if later:
            mask = np.ones_like(mask)
            for gone in later:
                mask[gone.item_idx] = False
            self._gone[version] = later
            self._existing[version] = mask
