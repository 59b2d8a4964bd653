"""Keep a catalog index loaded: a background thread reads it and swaps it whole."""

import logging
import math
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from config.catalog_settings import CatalogSettings
from recommender.catalog.columns import CatalogColumns, columns_in_chunks
from recommender.catalog.gate import CatalogGate, HeldBack, HoldReason
from recommender.catalog.index import CatalogIndex, are_interchangeable, index_of, window_start
from recommender.catalog.index_versions import IndexVersions, Loaded
from recommender.catalog.load_schedule import RETRY_S, LoadSchedule
from recommender.catalog.popularity import UNKNOWN_POPULARITY, Popularity
from recommender.catalog.snapshots import Announcement, SnapshotError, SnapshotFolder
from recommender.catalog.status import NO_PROBLEMS, UNEXPECTED_ERROR, CatalogStatus, LoadProblems, status_of
from recommender.databases.catalog_db import CatalogDatabase
from recommender.databases.engagement_db import EngagementDatabase
from recommender.deadline import Deadline
from recommender.domains.base import Domain
from recommender.domains.media import MEDIA
from recommender.errors import (
    ConfigurationError,
    DatabaseUnavailableError,
    EmptyCatalogError,
    NothingToRecommendFromError,
)
from recommender.system.background import Pause, RepeatingThread
from recommender.system.clock import PRESENT, Clock

logger = logging.getLogger(__name__)

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
    """The data read for an index, when, and why a part is of an earlier one."""

    columns: CatalogColumns
    started_at: float
    popularity: Popularity
    counted_at: float
    problems: LoadProblems = NO_PROBLEMS
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
        self._schedule = LoadSchedule(self._refresh_seconds)
        self._problems = NO_PROBLEMS
        self._repeated_rows = 0
        self._started_at = time.monotonic()
        self._shared: SnapshotFolder | None = None
        self._unshared_until = -math.inf
        self._leads = False
        self._checksum = ""
        self._announcement: Announcement | None = None
        self._first_attempt_done = threading.Event()
        self._preparations: list[Callable[[CatalogIndex], None]] = []
        self._thread = RepeatingThread("catalogue", self._run, RETRY_S)

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
        if self.held_back is not None and self.held_back.reason is HoldReason.EMPTY:
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
        return None if loaded is None else status_of(loaded, self._problems, self._refresh_seconds)

    @property
    def held_back(self) -> HeldBack | None:
        """The last load, if it is not used because it lacks too much; also before there is an index."""
        return self._problems.held_back

    @property
    def failure(self) -> str:
        """The error that the last load ended in, or empty; also before there is an index."""
        return self._problems.failure

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
        return self._schedule.pause

    def _run_shared(self, shared: SnapshotFolder) -> None:
        led_before, self._leads = self._leads, shared.try_to_lead()
        if self._leads and led_before:
            # Without an announcement, as after the folder was removed, a starting worker would have no index.
            due = self._schedule.is_due or (
                self._schedule.is_allowed and (shared.take_asked() or not shared.is_announced())
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
            self._schedule.follow(loaded.loaded_at)

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
                self._versions.schedule(
                    Loaded(index, announcement.loaded_at, announcement.counted_at), announcement.starts_at
                )
            self._announcement, self._problems = announcement, announcement.problems
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
        except OSError:
            # The folder that workers share, not the catalog.
            raise
        except ConfigurationError as exc:
            # This goes on until a file is corrected.
            if self._problems.failure != str(exc):
                logger.error("catalog index: a load failed: %s", exc)
            self._fail(str(exc), announced=announced)
        except Exception:
            logger.exception("catalog index: a load failed; the earlier index stays in use")
            self._fail(UNEXPECTED_ERROR, announced=announced)
        finally:
            self._first_attempt_done.set()
            # Until there is an index, requests get errors, so the databases are read again soon.
            failed = self._problems.is_incomplete and self._versions.current() is not None
            self._schedule.plan(started, settled=complete and not self._gate.unsettled, failed=failed)

    def _fail(self, reason: str, *, announced: bool) -> None:
        self._keep_index(replace(self._problems, unread=(), failure=reason), announced=announced)

    def _refresh(self, started: float, *, announced: bool) -> bool:
        """Load and swap; return whether the new index is complete and fresh."""
        try:
            columns = self._catalog_db.read_catalog(partial(columns_in_chunks, domain=self._domain))
        except DatabaseUnavailableError as exc:
            problems = LoadProblems(self.held_back, (exc.database,))
            self._keep_index(problems, announced=announced)
            return False
        loaded = self._versions.current()
        held_back = self._gate.examine_items(
            len(columns), columns.genre_count, time.monotonic(), first=loaded is None
        )
        if held_back is not None:
            self._keep_index(LoadProblems(held_back), announced=announced)
            return False
        if loaded is None:
            # Counting may take long or fail; matching stated genres does not need it.
            first = _Load(columns, started, UNKNOWN_POPULARITY, self._started_at, complete=False)
            self._use(first, announced=announced)
        counting_at = time.monotonic()
        try:
            popularity = self._load_popularity()
        except DatabaseUnavailableError as exc:
            problems = LoadProblems(unread=(exc.database,))
        else:
            held_back = self._gate.examine_popularity(popularity, len(columns), time.monotonic())
            problems = LoadProblems(held_back)
        if problems != NO_PROBLEMS:
            before = self._versions.current()
            carried = (UNKNOWN_POPULARITY, self._started_at)
            if before is not None:
                carried = (before.index.popularity, before.counted_at)
            self._use(_Load(columns, started, *carried, problems), announced=announced)
            return False
        self._use(_Load(columns, started, popularity, counting_at), announced=announced)
        elapsed_ms = (time.monotonic() - started) * 1000
        logger.info("catalog index: %d media in %.0f ms", len(columns) - self._repeated_rows, elapsed_ms)
        return True

    def _keep_index(self, problems: LoadProblems, *, announced: bool) -> None:
        """Keep the index in use after a load that brought none, and tell the other workers why."""
        self._note(problems)
        if not (self._leads and announced and self._shared is not None):
            return
        loaded, last = self._versions.current(), self._announcement
        if loaded is None:
            # So that no request of another worker waits for the first load.
            self._announce(self._shared, Announcement(None, "", 0.0, 0.0, 0.0, complete=True), problems)
        elif last is not None and last.version == loaded.index.version:
            self._announce(self._shared, replace(last, complete=True), problems)

    def _announce(self, shared: SnapshotFolder, announcement: Announcement, problems: LoadProblems) -> None:
        self._announcement = replace(announcement, problems=problems)
        shared.announce(self._announcement)

    def _note(self, problems: LoadProblems) -> None:
        before, self._problems = self.held_back, problems
        held_back = problems.held_back
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

    def _use(self, load: _Load, *, announced: bool) -> None:
        """Schedule the switch to the index of a load, for all workers at the same moment."""
        build_started = time.monotonic()
        index = index_of(load.columns, load.popularity)
        self._note_repeated(len(load.columns) - len(index.item_ids))
        self._note(load.problems)
        starts_at = time.monotonic()
        loaded = self._versions.current()
        is_new = loaded is None or not are_interchangeable(loaded.index, index)
        if self._leads and announced and self._shared is not None:
            index = self._share(self._shared, index, is_new=is_new)
            # A complete index stays in use until all workers are ready; a partial one is replaced at once.
            if loaded is not None and loaded.index.popularity.known:
                build_s = time.monotonic() - build_started
                starts_at = time.monotonic() + max(_LEAD_S, _LEAD_BUILDS * build_s)
            announcement = Announcement(
                index.version, self._checksum, load.started_at, load.counted_at, starts_at, load.complete
            )
            self._announce(self._shared, announcement, load.problems)
        if is_new:
            self._prepare(index)
        self._versions.schedule(Loaded(index, load.started_at, load.counted_at), starts_at)

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

    def _load_popularity(self) -> Popularity:
        start = window_start(self._window_days, self._clock.now())
        counts, active_users = self._engagement_db.count_items(start)
        return Popularity.of_counts(counts, active_users, start)
