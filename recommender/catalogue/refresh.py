"""Keeps a catalogue index loaded: a thread reads it in the background and swaps it whole."""

import logging
import random
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass

from recommender.background import Pause, RepeatingThread
from recommender.catalogue.index import (
    UNKNOWN_POPULARITY,
    CatalogueIndex,
    Popularity,
    build_index,
    window_start,
)
from recommender.databases.catalog_db import CatalogDatabase
from recommender.databases.engagement_db import EngagementDatabase
from recommender.deadline import Deadline
from recommender.errors import DatabaseUnavailableError, NothingToRecommendFromError

logger = logging.getLogger(__name__)

_RETRY_S = 2.0


@dataclass(frozen=True, slots=True)
class CatalogueStatus:
    """The index in use. `popularity_known`: engagement_db could be counted for it, or for one before it."""

    age_s: float
    media: int
    popularity_known: bool


class CatalogueRefresher:
    """Owns the current index. Requests only ever wait for the very first load, and not long.

    What a database cannot give is carried over from the last index; with no last popularity the media
    stand by id alone, with no last media list there is no index. A large engagement_db takes a while to be
    counted, so the first index does without.
    """

    def __init__(
        self,
        catalog_db: CatalogDatabase,
        engagement_db: EngagementDatabase,
        window_days: int,
        refresh_seconds: float,
    ) -> None:
        self._catalog_db = catalog_db
        self._engagement_db = engagement_db
        self._window_days = window_days
        self._refresh_seconds = refresh_seconds
        self._index: CatalogueIndex | None = None
        self._loaded_at = 0.0
        self._gone: tuple[CatalogueIndex | None, frozenset[str]] = (None, frozenset())
        self._gone_lock = threading.Lock()
        self._first_attempt_done = threading.Event()
        self._thread = RepeatingThread("catalogue", self._load, _RETRY_S)

    def open(self) -> None:
        """Start loading in the background."""
        self._thread.open()

    def wait_for_first_load(self, timeout_s: float) -> None:
        """Wait until the first load has come to an end, good or bad, or until it has taken so long."""
        self._first_attempt_done.wait(timeout_s)

    def close(self) -> None:
        """Stop the thread and wait until it has let go of the databases."""
        self._thread.close()

    def current(self, deadline: Deadline) -> CatalogueIndex:
        """The index as last loaded; a partial one where the first load takes longer than until the deadline.

        Raises:
            NothingToRecommendFromError: none could be loaded so far.
        """
        if not self._first_attempt_done.is_set():
            self.wait_for_first_load(deadline.remaining_s)
        if self._index is None:
            raise NothingToRecommendFromError
        return self._index

    def latest(self) -> CatalogueIndex | None:
        """The index as last loaded, without waiting; None where none is."""
        return self._index

    def status(self) -> CatalogueStatus | None:
        """What is loaded, without waiting; None where nothing is."""
        index = self._index
        if index is None:
            return None
        return CatalogueStatus(
            time.monotonic() - self._loaded_at, len(index.media_ids), index.popularity.known
        )

    def gone_since(self, index: CatalogueIndex) -> frozenset[str]:
        """Media of `index` that were found to be gone after it was loaded."""
        found_with, media_ids = self._gone
        return media_ids if found_with is index else frozenset()

    def mark_gone(self, index: CatalogueIndex, media_ids: Iterable[str]) -> None:
        """Leave media out from now on, and load the catalogue again soon."""
        with self._gone_lock:
            self._gone = (index, self.gone_since(index).union(media_ids))
        self._thread.hurry()

    def _load(self) -> Pause:
        started = time.monotonic()
        try:
            complete = self._refresh()
        finally:
            self._first_attempt_done.set()
        # However often it fails or is asked for, refreshing takes no more than half of the time. Workers that
        # start together should not go on in step.
        elapsed_s = time.monotonic() - started
        spread = random.uniform(0.9, 1.1)  # noqa: S311  # nosec B311 # may be guessed
        wanted_s = self._refresh_seconds * spread if complete else _RETRY_S
        least_s = max(min(_RETRY_S, wanted_s), elapsed_s)
        return Pause(least_s, max(least_s, wanted_s - elapsed_s))

    def _refresh(self) -> bool:
        """Load and swap; whether everything in the new index is fresh."""
        started = time.monotonic()
        try:
            entries = self._catalog_db.fetch_catalogue()
        except DatabaseUnavailableError:
            return False
        if self._index is None:
            # Counting may take long or fail; stated genres can be matched without.
            self._loaded_at = started
            self._index = build_index(entries, UNKNOWN_POPULARITY)
        popularity = self._load_popularity()
        self._index = build_index(entries, popularity or self._index.popularity)
        self._loaded_at = started
        elapsed_ms = (time.monotonic() - started) * 1000
        logger.info("catalogue index: %d media in %.0f ms", len(entries), elapsed_ms)
        return popularity is not None

    def _load_popularity(self) -> Popularity | None:
        start = window_start(self._window_days)
        try:
            counts = self._engagement_db.count_media(start)
            return Popularity(
                positive_users=counts.users,
                active_users=self._engagement_db.count_active_users(start),
                window_start=start,
                rows=counts.rows,
                repeats=counts.repeats,
            )
        except DatabaseUnavailableError:
            return None
