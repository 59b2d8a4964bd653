"""Decides whether a freshly loaded catalog is used at once, or is missing too much to be believed."""

from dataclasses import dataclass
from enum import StrEnum

from recommender.catalog.index import CatalogIndex
from recommender.catalog.popularity import Popularity

# Counts that differ by no more than this share of the settled one are the same: databases are in use.
_STEADY = 0.01


class HoldReason(StrEnum):
    """What a held-back load lacks."""

    EMPTY = "empty"
    FEWER_MEDIA = "fewer_media"
    FEWER_GENRES = "fewer_genres"
    FEWER_INTERACTIONS = "fewer_interactions"


@dataclass(frozen=True, slots=True)
class HeldBack:
    """A load that is not used. `media`: how many it has. `since`: when first seen, by the monotonic clock."""

    media: int
    since: float
    reason: HoldReason


class LossGate:
    """Follows one count from load to load.

    A count is settled when it was seen to grow, or to last. What has lost more than `max_loss` of the settled
    count is refused, until it has stayed the same for `patience_s`; nothing at all is refused for as long as
    there was something.
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
        """Whether the count may be about to change again, so that the next load should come soon."""
        return self._watching

    def settle(self, count: int) -> None:
        """Take a count as settled, without a look at those before."""
        self._settled = self._seen = count
        self._watching = False

    def admits(self, count: int, now: float) -> bool:
        """Whether a load with this count may be used; `now` by the monotonic clock, in seconds."""
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
    """The gates of a whole load: its media and their genres, and the interactions that popularity counts."""

    def __init__(self, max_loss: float, patience_s: float) -> None:
        self._media = LossGate(max_loss, patience_s)
        self._genres = LossGate(max_loss, patience_s)
        self._pairs = LossGate(max_loss, patience_s)

    @property
    def unsettled(self) -> bool:
        """Whether to load again soon."""
        return self._media.unsettled or self._genres.unsettled or self._pairs.unsettled

    def settle_as(self, index: CatalogIndex) -> None:
        """Compare the next load with an index that another process has examined."""
        self._media.settle(len(index.item_ids))
        self._genres.settle(index.genre_count)
        if index.popularity.known:
            self._pairs.settle(index.popularity.pairs)

    def examine_media(self, media: int, genres: int, now: float, *, first: bool) -> HeldBack | None:
        """Why so many media with so many genres in all are not to be used, None where they are.

        `first`: there is no index yet.
        """
        if first and not media:
            return HeldBack(0, now, HoldReason.EMPTY)
        if not self._media.admits(media, now):
            return HeldBack(media, self._media.since, HoldReason.FEWER_MEDIA if media else HoldReason.EMPTY)
        if not self._genres.admits(genres, now):
            return HeldBack(media, self._genres.since, HoldReason.FEWER_GENRES)
        return None

    def examine_popularity(self, popularity: Popularity, media: int, now: float) -> HeldBack | None:
        """Why this popularity is not to be used, None where it is; `media` of the load it came with."""
        if self._pairs.admits(popularity.pairs, now):
            return None
        return HeldBack(media, self._pairs.since, HoldReason.FEWER_INTERACTIONS)
