"""Keep a catalog index loaded: a background thread reads it and swaps it whole."""

import logging
import math
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from config.catalog_settings import CatalogSettings
from recommender.catalog.columns import CatalogColumns
from recommender.catalog.gate import CatalogGate, HeldBack, HoldReason
from recommender.catalog.index import CatalogIndex, are_interchangeable, index_of, window_start
from recommender.catalog.index_versions import IndexVersions, Loaded
from recommender.catalog.popularity import UNKNOWN_POPULARITY, Popularity
from recommender.catalog.snapshots import Announcement, SnapshotError, SnapshotFolder
from recommender.catalog.status import CatalogStatus
from recommender.databases.catalog_db import CatalogDatabase
from recommender.databases.engagement_db import EngagementDatabase
from recommender.deadline import Deadline
from recommender.domains.base import Domain
from recommender.domains.media import MEDIA
from recommender.entities import CatalogEntry
from recommender.errors import (
    DatabaseUnavailableError,
    EmptyCatalogError,
    NothingToRecommendFromError,
)
from recommender.system.background import Pause, RepeatingThread
from recommender.system.clock import PRESENT, Clock

logger = logging.getLogger(__name__)

_RETRY_S = 2.0
# Requests wait for the first load if it has its items, and began less than this many seconds ago.
_FIRST_WAIT_S = 2.0
# A replaced index stays available for a refresh interval, and at least this long.
_KEEP_S = 60.0
# How often a worker looks for the announcement of another one.
_TICK_S = 0.2
# Seconds, and multiples of its build time, that an index is announced before its switch.
_LEAD_S, _LEAD_BUILDS = 1.0, 3.0
# How long each worker loads for itself after the shared folder has failed.
_UNSHARED_S = 60.0


@dataclass(frozen=True, slots=True)
class _Load:
    """The data read for an index, and why a part was held back."""

    columns: CatalogColumns
    popularity: Popularity
    started_at: float
    held_back: HeldBack | None = None
    complete: bool = True


class CatalogRefresher:
    """Own the index in use. Requests wait, briefly, only for the very first load.

    During an outage of a database, its part is carried over from the last index. Without any popularity,
    items are ordered by id; without any items, there is no index. Counting a large engagement_db takes a
    while, so the first index has no popularity. A load that has lost too much is held back, and repeated
    soon.
    """

    def __init__(
        self,
        catalog_db: CatalogDatabase,
        engagement_db: EngagementDatabase,
        settings: CatalogSettings,
        *,
        window_days: int,
        domain: Domain = MEDIA,
        clock: Clock = PRESENT,
    ) -> None:
        self._catalog_db = catalog_db
        self._engagement_db = engagement_db
        self._gate = CatalogGate(settings.catalog_max_loss, settings.catalog_loss_seconds)
        self._domain = domain
        self._window_days = window_days
        self._clock = clock
        self._refresh_seconds = settings.catalog_refresh_seconds
        self._versions = IndexVersions(max(_KEEP_S, self._refresh_seconds))
        self._held_back: HeldBack | None = None
        self._repeated_rows = 0
        self._failed = False
        self._shared: SnapshotFolder | None = None
        self._unshared_until = -math.inf
        self._leads = False
        self._checksum = ""
        self._may_load_at = self._load_due_at = -math.inf
        self._first_attempt_done = threading.Event()
        self._preparations: list[Callable[[CatalogIndex], None]] = []
        self._thread = RepeatingThread("catalogue", self._run, _RETRY_S)

    def prepare_with(self, prepare: Callable[[CatalogIndex], None]) -> None:
        """Register a function that prepares each index in the background; call it before `open`."""
        self._preparations.append(prepare)

    def share(self, folder: SnapshotFolder) -> None:
        """Share loads with the other processes that use a folder; call it before `open`."""
        self._shared = folder

    def open(self) -> None:
        """Start loading in the background."""
        self._thread.open()

    def wait_for_first_load(self, timeout_s: float) -> None:
        """Wait until the first load has ended, well or not, at most for the timeout."""
        self._first_attempt_done.wait(timeout_s)

    def close(self) -> None:
        """Stop the thread and wait until it no longer uses the databases."""
        self._thread.close()
        if self._shared is not None:
            self._shared.close()

    def current(self, deadline: Deadline, version: str | None = None) -> CatalogIndex:
        """Return the index of a version if it is still kept, else the one in use.

        It is a partial one if the first load takes longer than the deadline, or has taken long already.

        Raises:
            EmptyCatalogError: catalog_db has had no items since the start.
            NothingToRecommendFromError: no index could be loaded yet.
        """
        if self._is_worth_waiting():
            self.wait_for_first_load(deadline.remaining_s)
        wanted = None if version is None else self._versions.find(version)
        if wanted is not None:
            return wanted
        loaded = self._versions.current()
        if loaded is not None:
            return loaded.index
        if self._held_back is not None and self._held_back.reason is HoldReason.EMPTY:
            raise EmptyCatalogError
        raise NothingToRecommendFromError

    def _is_worth_waiting(self) -> bool:
        """Return whether the first load goes on, and may soon end. Counting popularity may take minutes."""
        if self._first_attempt_done.is_set():
            return False
        partial = self._versions.current()
        return partial is None or time.monotonic() - partial.loaded_at < _FIRST_WAIT_S

    def latest(self) -> CatalogIndex | None:
        """Return the index in use, without waiting; None if there is none."""
        loaded = self._versions.current()
        return None if loaded is None else loaded.index

    def status(self) -> CatalogStatus | None:
        """Return the status of the index in use, without waiting; None if there is none."""
        loaded = self._versions.current()
        if loaded is None:
            return None
        index = loaded.index
        return CatalogStatus(
            version=index.version,
            age_s=time.monotonic() - loaded.loaded_at,
            item_count=len(index.item_ids),
            popularity_known=index.popularity.known,
            held_back=self._held_back,
            failed=self._failed,
        )

    @property
    def held_back(self) -> HeldBack | None:
        """The last load, if it is not used because it lacks too much; also before there is an index."""
        return self._held_back

    def existing(self, index: CatalogIndex) -> NDArray[np.bool_]:
        """Return a mask of an index, false for items found to be gone since it was loaded."""
        return self._versions.existing(index)

    def mark_gone(self, index: CatalogIndex, item_ids: Iterable[str], asked_at: float) -> None:
        """Leave out items that were gone at `asked_at`, and load the catalog again soon."""
        item_idx = index.locate(list(item_ids))
        self._versions.mark_gone(index, item_idx[item_idx >= 0], asked_at)
        self.load_soon()

    def load_soon(self) -> None:
        """Load the catalog again as soon as its pause allows."""
        if self._shared is not None:
            self._shared.ask_for_load()
        self._thread.wake()

    def _run(self) -> Pause:
        """Load, or take another worker's load, and return when to do so again."""
        self._versions.drop_expired()
        if self._shared is not None and time.monotonic() >= self._unshared_until:
            try:
                self._run_shared(self._shared)
            except OSError as exc:
                self._stop_sharing(self._shared, exc)
            else:
                return Pause(_TICK_S, _TICK_S)
        self._leads = False
        self._load()
        now = time.monotonic()
        return Pause(max(0.0, self._may_load_at - now), max(0.0, self._load_due_at - now))

    def _run_shared(self, shared: SnapshotFolder) -> None:
        led_before, self._leads = self._leads, shared.try_to_lead()
        if self._leads and led_before:
            now = time.monotonic()
            # Without an announcement, as after the folder was removed, a starting worker would have no index.
            due = now >= self._load_due_at or (
                now >= self._may_load_at and (shared.take_asked() or not shared.is_announced())
            )
            # A second load would find nothing new before the waiting index is used.
            if due and not self._versions.is_waiting:
                self._load()
            return
        self._follow(shared)
        loaded = self._versions.current()
        if self._leads and loaded is not None:
            index = loaded.index
            self._gate.settle_as(index)
            self._may_load_at, self._load_due_at = -math.inf, loaded.loaded_at + self._refresh_seconds

    def _stop_sharing(self, shared: SnapshotFolder, reason: OSError) -> None:
        logger.warning(
            "catalog index: the shared folder cannot be used (%s); this worker loads the catalog on its own",
            reason,
        )
        shared.close()
        self._unshared_until = time.monotonic() + _UNSHARED_S

    def _follow(self, shared: SnapshotFolder) -> None:
        """Switch to the announced index at its moment."""
        try:
            announcement = shared.new_announcement()
            if announcement is None:
                return
            if announcement.version is not None:
                index = self._versions.find(announcement.version)
                if index is None or announcement.checksum != self._checksum:
                    index = shared.read(announcement.version, announcement.checksum)
                    self._prepare(index)
                self._checksum = announcement.checksum
                self._versions.schedule(Loaded(index, announcement.loaded_at), announcement.starts_at)
            self._held_back, self._failed = announcement.held_back, False
            if announcement.complete:
                self._first_attempt_done.set()
        except (SnapshotError, ValueError) as exc:
            logger.warning("catalog index: %s; this worker loads the catalog on its own", exc)
            shared.ask_for_load()
            loaded = self._versions.current()
            if loaded is not None:
                self._gate.settle_as(loaded.index)
            self._load(announced=False)

    def _load(self, *, announced: bool = True) -> None:
        started, complete = time.monotonic(), False
        try:
            complete = self._refresh(started, announced=announced)
            self._failed = False
        except OSError:
            # The folder that workers share, not the catalog.
            raise
        except Exception:
            self._failed = True
            logger.exception("catalog index: a load failed; the earlier index stays in use")
            self._announce_nothing(announced=announced)
        finally:
            self._first_attempt_done.set()
            self._plan_next_load(started, complete=complete)

    def _plan_next_load(self, started: float, *, complete: bool) -> None:
        # However often it fails or is requested, loading takes at most half of the time. The random spread
        # keeps hosts that start together from always loading together.
        now = time.monotonic()
        elapsed_s = now - started
        spread = random.uniform(0.9, 1.1)  # noqa: S311  # nosec B311 # may be guessed
        settled = complete and not self._gate.unsettled
        wanted_s = self._refresh_seconds * spread if settled else min(_RETRY_S, self._refresh_seconds)
        self._may_load_at = now + max(min(_RETRY_S, wanted_s), elapsed_s)
        self._load_due_at = max(self._may_load_at, started + wanted_s)

    def _refresh(self, started: float, *, announced: bool) -> bool:
        """Load and swap; return whether the new index is complete and fresh."""
        try:
            columns = self._catalog_db.read_catalog(self._collect)
        except DatabaseUnavailableError:
            self._announce_nothing(announced=announced)
            return False
        loaded = self._versions.current()
        held_back = self._gate.examine_items(
            len(columns), columns.genre_count, time.monotonic(), first=loaded is None
        )
        if held_back is not None:
            self._hold(held_back, announced=announced)
            return False
        if loaded is None:
            # Counting may take long or fail; matching stated genres does not need it.
            self._use(_Load(columns, UNKNOWN_POPULARITY, started, complete=False), announced=announced)
        popularity = self._load_popularity()
        held_back = None
        if popularity is not None:
            held_back = self._gate.examine_popularity(popularity, len(columns), time.monotonic())
        if popularity is None or held_back is not None:
            before = self._versions.current()
            carried = UNKNOWN_POPULARITY if before is None else before.index.popularity
            self._use(_Load(columns, carried, started, held_back), announced=announced)
            return False
        self._use(_Load(columns, popularity, started), announced=announced)
        elapsed_ms = (time.monotonic() - started) * 1000
        logger.info("catalog index: %d media in %.0f ms", len(columns) - self._repeated_rows, elapsed_ms)
        return True

    def _announce_nothing(self, *, announced: bool) -> None:
        """Tell the other workers that the first load has failed, so that no request waits for it."""
        if self._versions.current() is None and self._leads and announced and self._shared is not None:
            self._shared.announce(Announcement(None, "", 0.0, 0.0, complete=True, held_back=self._held_back))

    def _hold(self, held_back: HeldBack, *, announced: bool) -> None:
        """Keep the index in use, and report why."""
        self._note_held_back(held_back)
        if self._leads and announced and self._shared is not None:
            loaded = self._versions.current()
            version, loaded_at = (None, 0.0) if loaded is None else (loaded.index.version, loaded.loaded_at)
            self._shared.announce(
                Announcement(
                    version, self._checksum, loaded_at, loaded_at, complete=True, held_back=held_back
                )
            )

    def _note_held_back(self, held_back: HeldBack | None) -> None:
        before, self._held_back = self._held_back, held_back
        if held_back is not None and (before is None or before.reason is not held_back.reason):
            logger.warning(
                "catalog index: a load with %d media is held back (%s); the earlier index stays in use",
                held_back.item_count,
                held_back.reason,
            )

    def _note_repeated(self, rows: int) -> None:
        before, self._repeated_rows = self._repeated_rows, rows
        if rows and rows != before:
            logger.warning("catalog index: %d rows repeat the id of another; one row per id is used", rows)

    def _collect(self, chunks: Iterator[list[CatalogEntry]]) -> CatalogColumns:
        columns = CatalogColumns(self._domain)
        for chunk in chunks:
            columns.add(chunk)
        return columns

    def _use(self, load: _Load, *, announced: bool) -> None:
        """Schedule the switch to the index of a load, for all workers at the same moment."""
        build_started = time.monotonic()
        index = index_of(load.columns, load.popularity)
        self._note_repeated(len(load.columns) - len(index.item_ids))
        self._note_held_back(load.held_back)
        starts_at = time.monotonic()
        loaded = self._versions.current()
        is_new = loaded is None or not are_interchangeable(loaded.index, index)
        if self._leads and announced and self._shared is not None:
            index = self._share(self._shared, index, is_new=is_new)
            # A complete index stays in use until all workers are ready; a partial one is replaced at once.
            if loaded is not None and loaded.index.popularity.known:
                build_s = time.monotonic() - build_started
                starts_at = time.monotonic() + max(_LEAD_S, _LEAD_BUILDS * build_s)
            self._shared.announce(
                Announcement(
                    index.version, self._checksum, load.started_at, starts_at, load.complete, load.held_back
                )
            )
        if is_new:
            self._prepare(index)
        self._versions.schedule(Loaded(index, load.started_at), starts_at)

    def _share(self, shared: SnapshotFolder, index: CatalogIndex, *, is_new: bool) -> CatalogIndex:
        """Write an index unless its file exists, and return it mapped, as the other workers do."""
        if not is_new and shared.has(index.version, self._checksum):
            return index
        self._checksum = shared.write(index)
        try:
            return shared.read(index.version, self._checksum)
        except SnapshotError as exc:
            logger.warning("catalog index: %s; this worker keeps its own copy in memory", exc)
            return index

    def _prepare(self, index: CatalogIndex) -> None:
        """Compute before an index is used what requests would otherwise wait for."""
        index.popularity.work_out()
        for prepare in self._preparations:
            prepare(index)

    def _load_popularity(self) -> Popularity | None:
        start = window_start(self._window_days, self._clock.now())
        try:
            counts, active_users = self._engagement_db.count_items(start)
        except DatabaseUnavailableError:
            return None
        return Popularity.of_counts(counts, active_users, start)
