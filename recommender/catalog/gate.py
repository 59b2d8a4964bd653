"""Decide whether a newly loaded catalog is used, or held back because it has lost too much."""

from dataclasses import dataclass
from enum import StrEnum

from recommender.catalog.index import CatalogIndex
from recommender.catalog.popularity import Popularity

# Counts that differ by at most this share of the settled count are equal: databases change all the time.
_STEADY = 0.01


class HoldReason(StrEnum):
    """Why a load is held back."""

    EMPTY = "empty"
    FEWER_ITEMS = "fewer_media"
    FEWER_GENRES = "fewer_genres"
    FEWER_INTERACTIONS = "fewer_interactions"


@dataclass(frozen=True, slots=True)
class HeldBack:
    """A load that is not used. `since`: first seen, in seconds of the monotonic clock."""

    item_count: int
    since: float
    reason: HoldReason


class LossGate:
    """Follow one count from load to load.

    A count is settled after it has grown or lasted. A count that is smaller than the settled one by more than
    the share `max_loss` is refused until it has stayed the same for `patience_s` seconds. A count of 0 is
    always refused after a larger one.
    """

    def __init__(self, max_loss: float, patience_s: float) -> None:
        self._max_loss = max_loss
        self._patience_s = patience_s
        self._settled: int | None = None
        self._seen = 0
        self._watching = True
        self.since = 0.0

    @property
    def unsettled(self) -> bool:
        """Whether the count may still be changing, so that the next load should come soon."""
        return self._watching

    def settle(self, count: int) -> None:
        """Accept a count as settled, whatever it was before."""
        self._settled = self._seen = count
        self._watching = False

    def admits(self, count: int, now: float) -> bool:
        """Return whether a load with this count may be used; `now` by the monotonic clock, in seconds."""
        if self._settled is None:
            self._settled = self._seen = count
            self.since = now
            return True
        steady = abs(count - self._seen) <= _STEADY * self._settled
        if not steady:
            self._seen, self.since = count, now
        if count >= self._settled:
            self._settled = count
            self._watching = self._watching and not steady
            return True
        if count and steady and now - self.since >= self._patience_s:
            self.settle(count)
            return True
        lost = 1 - count / self._settled
        self._watching = lost > _STEADY
        return count > 0 and lost <= self._max_loss


class CatalogGate:
    """The gates of a load: the numbers of items, of their genres, and of the pairs behind popularity."""

    def __init__(self, max_loss: float, patience_s: float) -> None:
        self._items = LossGate(max_loss, patience_s)
        self._genres = LossGate(max_loss, patience_s)
        self._pairs = LossGate(max_loss, patience_s)

    @property
    def unsettled(self) -> bool:
        """Whether the next load should come soon."""
        return self._items.unsettled or self._genres.unsettled or self._pairs.unsettled

    def settle_as(self, index: CatalogIndex) -> None:
        """Compare the next load with an index that another process has accepted."""
        self._items.settle(len(index.item_ids))
        self._genres.settle(index.genre_count)
        if index.popularity.known:
            self._pairs.settle(index.popularity.pairs)

    def examine_items(self, item_count: int, genres: int, now: float, *, first: bool) -> HeldBack | None:
        """Return why a load with these numbers of items and genres is held back, None if it is not.

        `first`: there is no index yet.
        """
        if first and not item_count:
            return HeldBack(0, now, HoldReason.EMPTY)
        if not self._items.admits(item_count, now):
            return HeldBack(
                item_count, self._items.since, HoldReason.FEWER_ITEMS if item_count else HoldReason.EMPTY
            )
        if not self._genres.admits(genres, now):
            return HeldBack(item_count, self._genres.since, HoldReason.FEWER_GENRES)
        return None

    def examine_popularity(self, popularity: Popularity, item_count: int, now: float) -> HeldBack | None:
        """Return why popularity is held back, None if it is not; `item_count`: the load's number of items."""
        if self._pairs.admits(popularity.pairs, now):
            return None
        return HeldBack(item_count, self._pairs.since, HoldReason.FEWER_INTERACTIONS)
