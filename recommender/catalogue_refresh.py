"""Keeps a catalogue index loaded: a thread reads it in the background and swaps it whole."""

import logging
import threading
import time
from collections.abc import Callable

from recommender.catalogue_index import (
    UNKNOWN_POPULARITY,
    CatalogueIndex,
    Popularity,
    build_index,
    window_start,
)
from recommender.databases.catalog_db import CatalogDatabase
from recommender.databases.engagement_db import EngagementDatabase
from recommender.errors import DatabaseUnavailableError, NothingToRecommendFromError

logger = logging.getLogger(__name__)

_RETRY_S = 2.0
# However often somebody asks for it, refreshing takes no more than a small share of the time.
_LEAST_PAUSE = 0.1
_FIRST_LOAD_WAIT_S = 20.0


class CatalogueRefresher:
    """Owns the current index. Requests only ever wait for the very first load.

    What a database cannot give is carried over from the last index; with no last popularity the media
    stand by id alone, with no last media list there is no index.
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
        self._first_attempt_done = threading.Event()
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="catalogue", daemon=True)

    def open(self) -> None:
        """Start loading in the background."""
        self._thread.start()

    def close(self) -> None:
        """Stop the thread and wait until it has let go of the databases."""
        self._closing.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()

    def current(self) -> CatalogueIndex:
        """The index as last loaded.

        Raises:
            NothingToRecommendFromError: none could be loaded so far.
        """
        self._first_attempt_done.wait(_FIRST_LOAD_WAIT_S)
        if self._index is None:
            raise NothingToRecommendFromError
        return self._index

    def refresh_soon(self) -> None:
        """Load again now: somebody noticed that the catalogue has changed."""
        self._wake.set()

    def _run(self) -> None:
        while not self._closing.is_set():
            self._wake.clear()
            pause_s = self._refresh_seconds if self._attempt(self._refresh) else _RETRY_S
            self._first_attempt_done.set()
            self._closing.wait(pause_s * _LEAST_PAUSE)
            self._wake.wait(pause_s * (1 - _LEAST_PAUSE))

    def _attempt(self, load: Callable[[], bool]) -> bool:
        try:
            return load()
        except Exception:
            # The thread must outlive whatever a refresh runs into: without it the index would only age.
            logger.exception("the catalogue index could not be refreshed")
            return False

    def _refresh(self) -> bool:
        """Load and swap; whether everything in the new index is fresh."""
        started = time.monotonic()
        popularity = self._load_popularity()
        try:
            media_genres = self._catalog_db.fetch_media_genres()
        except DatabaseUnavailableError:
            return False
        last = UNKNOWN_POPULARITY if self._index is None else self._index.popularity
        self._index = build_index(media_genres, popularity or last)
        elapsed_ms = (time.monotonic() - started) * 1000
        logger.info("catalogue index: %d media in %.0f ms", len(media_genres), elapsed_ms)
        return popularity is not None

    def _load_popularity(self) -> Popularity | None:
        start = window_start(self._window_days)
        try:
            return Popularity(
                positive_users=self._engagement_db.count_positive_users(start),
                active_users=self._engagement_db.count_active_users(start),
            )
        except DatabaseUnavailableError:
            return None
