"""Splits of interactions into training and test part, and again for validation.

The validation split lies within the training part of the test split, so that choices made on it are
independent of the test.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property, partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recommender.data.interactions import InteractionKind, Interactions
from recommender.errors import EvaluationError
from recommender.evaluation.sources import Source
from recommender.system.clock import iso_of

# The share of the interactions in the window, or of each user's, in the test part.
TEST_SHARE = 0.2
# Of users with fewer interactions, none is tested: a fifth is less than one.
LEAST_HISTORY = 5
_SECONDS_A_DAY = 86_400


class SplitKind(StrEnum):
    """How interactions are split."""

    TIME = "time"
    LAST_PART = "last-part"
    LEAVE_LAST_OUT = "leave-last-out"


class Split(NamedTuple):
    """A training part and a test part without common interactions.

    `moment`: the common time between them, in seconds since 1970 UTC; None if it differs by user. `end`: the
    time at which the training part ends.
    """

    train: Interactions
    test: Interactions
    moment: float | None
    end: float

    @property
    def until(self) -> float:
        """The last time that is tested on, in seconds since 1970 UTC; of a split in time."""
        times = self.test.times[_counted(self.test)]
        return float(times[np.isfinite(times)].max())


@dataclass(frozen=True)
class Splits:
    """The test split, which is reported, and the validation split before it, for choices.

    `split_again`: splits the training part of the test in the same way.
    """

    test: Split
    split_again: Callable[[Interactions], Split]

    @cached_property
    def validation(self) -> Split:
        """The split of the training part of the test.

        Raises:
            EvaluationError: a part is empty.
        """
        return self.split_again(self.test.train)


def splits_of(source: Source, kind: SplitKind, moment: float | None = None) -> Splits:
    """Split the interactions of a source, by its window and its catalog; see `make_splits`."""
    return make_splits(source.interactions, kind, moment, source.window_days, source.in_catalog())


def make_splits(
    interactions: Interactions,
    kind: SplitKind,
    moment: float | None = None,
    window_days: int = 0,
    in_catalog: NDArray[np.bool_] | None = None,
) -> Splits:
    """Split interactions.

    Args:
        interactions: all of them. Those of other kinds than likes, watches and dislikes only exclude items.
        kind: the kind of split.
        moment: of the split in time, in seconds since 1970 UTC; None for the start of the last fifth.
        window_days: the last fifth is that of so many days before the last interaction, 0 for all time. A
            longer test would rank items that no model of so many days can know.
        in_catalog: by item_idx, which items the last fifth is counted of; None for all. Where items expire, a
            test of all would hardly have items that can be recommended.

    Raises:
        EvaluationError: a part is empty.
    """
    if kind is SplitKind.TIME:
        split_again = partial(split_at, moment=None, window_days=window_days, in_catalog=in_catalog)
        return Splits(split_at(interactions, moment, window_days, in_catalog), split_again)
    split_again = partial(_split_by, later_mask=_MASKS[kind])
    return Splits(split_again(interactions), split_again)


def split_at(
    interactions: Interactions,
    moment: float | None,
    window_days: int = 0,
    in_catalog: NDArray[np.bool_] | None = None,
) -> Split:
    """Split in time, at one moment for all users; interactions at the moment are in the test part.

    Arguments are those of `make_splits`.

    Raises:
        EvaluationError: a part is empty.
    """
    if moment is None:
        moment = _last_fifth(interactions, window_days, in_catalog)
    return _split(interactions, interactions.times >= moment, moment, moment)


def _last_fifth(interactions: Interactions, window_days: int, in_catalog: NDArray[np.bool_] | None) -> float:
    """Return the time at which the last fifth of the window starts, or the next one if nothing is before it.

    Raises:
        EvaluationError: there is no such time.
    """
    timed = interactions.select(_counted(interactions) & np.isfinite(interactions.times))
    finite = timed.times
    if not len(finite):
        raise EvaluationError("no like, watch or dislike has a time, and the split needs them")
    tested = finite if in_catalog is None else finite[in_catalog[timed.item_idx]]
    if not len(tested):
        raise EvaluationError("no like, watch or dislike is of an item in the catalog")
    recent = tested[tested >= window_start(window_days, float(tested.max()))]
    moment = float(np.quantile(recent, 1.0 - TEST_SHARE, method="higher"))
    after_first = finite[finite > finite.min()]
    if not len(after_first):
        raise EvaluationError("all likes, watches and dislikes are of one moment, and the split needs two")
    return max(moment, float(after_first.min()))


def window_start(window_days: int, end: float) -> float:
    """Return where a window that ends at a time starts, both in seconds since 1970 UTC; 0 days: all time."""
    return end - window_days * _SECONDS_A_DAY if window_days else -np.inf


def _counted(interactions: Interactions) -> NDArray[np.bool_]:
    """Return which interactions are learned from or tested on; others, of any number, move no split."""
    return np.asarray(interactions.kinds != InteractionKind.OTHER)


def iso_time(seconds: float) -> str:
    """Format finite seconds since 1970 UTC as ISO 8601; outside of the years 1 to 9999, in whole seconds."""
    return iso_of(seconds) or f"{np.datetime64(int(seconds), 's')}+00:00"


def _split_by(interactions: Interactions, later_mask: Callable[[Interactions], NDArray[np.bool_]]) -> Split:
    counted = _counted(interactions)
    later = counted.copy()
    later[counted] = later_mask(interactions.select(counted))
    # What only excludes items is known if it was before the first interaction that is tested.
    firsts = np.full(len(interactions.user_ids), np.nan)
    np.fmin.at(firsts, interactions.user_idx[later], interactions.times[later])
    later |= ~counted & (interactions.times >= firsts[interactions.user_idx])
    known = interactions.times[~later & counted]
    finite = known[np.isfinite(known)]
    return _split(interactions, later, None, float(finite.max()) if len(finite) else 0.0)


def _split(interactions: Interactions, later: NDArray[np.bool_], moment: float | None, end: float) -> Split:
    tested = later[_counted(interactions)]
    if not tested.any():
        raise EvaluationError("the split leaves nothing to test on")
    if tested.all():
        raise EvaluationError("the split leaves nothing to train on")
    return Split(interactions.select(~later), interactions.select(later), moment, end)


def _ranks_from_last(interactions: Interactions) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return for each interaction how many of the same user are later, and how many there are."""
    # Interactions without a time sort first.
    times = np.nan_to_num(interactions.times, nan=-np.inf, posinf=np.inf, neginf=-np.inf)
    order = np.lexsort((interactions.item_idx, times, interactions.user_idx))
    sizes = np.bincount(interactions.user_idx, minlength=len(interactions.user_ids))
    ends = np.cumsum(sizes)[interactions.user_idx[order]]
    after = np.empty(len(order), dtype=np.int64)
    after[order] = ends - 1 - np.arange(len(order))
    return after, sizes[interactions.user_idx]


def _last_part(interactions: Interactions) -> NDArray[np.bool_]:
    after, sizes = _ranks_from_last(interactions)
    held = np.where(sizes >= LEAST_HISTORY, np.rint(sizes * TEST_SHARE).astype(np.int64), 0)
    return np.asarray((after < held) & ~np.isnan(interactions.times))


def _last(interactions: Interactions) -> NDArray[np.bool_]:
    after, sizes = _ranks_from_last(interactions)
    return np.asarray((after == 0) & (sizes > 1) & ~np.isnan(interactions.times))


_MASKS = {SplitKind.LAST_PART: _last_part, SplitKind.LEAVE_LAST_OUT: _last}
