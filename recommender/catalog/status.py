"""The status of the catalog index of a worker."""

import time
from dataclasses import dataclass

from recommender.catalog.gate import HeldBack
from recommender.catalog.index_versions import Loaded
from recommender.entities import DatabaseName

# The failure that is a bug: the log has its traceback.
UNEXPECTED_ERROR = "an unexpected error, which the log shows"
# Data counts as outdated after so many refresh intervals, unless the last load read it.
_OUTDATED_INTERVALS = 3.0


@dataclass(frozen=True, slots=True)
class LoadProblems:
    """Why the last load did not renew the whole index.

    `held_back`: it has lost too much to be used. `unread`: the databases whose statements failed. `failure`:
    the error that it ended in, for operators, or empty; a database that does not answer is none.
    """

    held_back: HeldBack | None = None
    unread: tuple[DatabaseName, ...] = ()
    failure: str = ""

    @property
    def is_incomplete(self) -> bool:
        """Whether not all was read; what was read and is held back does not count."""
        return bool(self.failure or self.unread)


NO_PROBLEMS = LoadProblems()


@dataclass(frozen=True, slots=True)
class CatalogStatus:
    """The index in use. `popularity_known`: engagement_db was counted for it, or for an earlier one.

    `age_s`: since its items were read. `popularity_age_s`: since popularity was counted, or since the start
    if it is not known. `held_back`, `unread`, `failed`: see `LoadProblems`. `outdated`: the databases in
    `unread` have not been read for several refresh intervals.
    """

    version: str
    age_s: float
    item_count: int
    popularity_known: bool
    popularity_age_s: float
    held_back: HeldBack | None
    unread: tuple[DatabaseName, ...] = ()
    failed: bool = False
    outdated: bool = False


def status_of(loaded: Loaded, problems: LoadProblems, refresh_seconds: float) -> CatalogStatus:
    """Return the status of an index; `problems`: of the last load, which may be a later one."""
    index, now = loaded.index, time.monotonic()
    oldest_s = now - min(loaded.loaded_at, loaded.counted_at)
    return CatalogStatus(
        version=index.version,
        age_s=now - loaded.loaded_at,
        item_count=len(index.item_ids),
        popularity_known=index.popularity.known,
        popularity_age_s=now - loaded.counted_at,
        held_back=problems.held_back,
        unread=problems.unread,
        failed=bool(problems.failure),
        outdated=bool(problems.unread) and oldest_s > _OUTDATED_INTERVALS * refresh_seconds,
    )
