"""Confidence intervals of means: a bootstrap over users, with the same users for all columns.

Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), the percentile interval. For few users, it is
too narrow: of one user, it is a point. Differences of few users must also pass a sign test.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr

CONFIDENCE = 0.95
RESAMPLES = 2_000
# If fewer users differ, the interval alone shows no difference.
ENOUGH_USERS = 30
_ALL = slice(None)
_SEED = 20_260_101
# Draws (resamples × users) per step: all of them would not fit into memory.
_DRAWS_AT_ONCE = 4_000_000


class MeanIntervals(NamedTuple):
    """Means of columns with their intervals; shape (columns,) each."""

    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


class DifferenceIntervals(NamedTuple):
    """Mean differences of columns with their intervals; shape (columns,) each.

    `confirmed`: whether at least `ENOUGH_USERS` users differ, or a two-sided sign test shows the direction of
    the mean.
    """

    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    confirmed: NDArray[np.bool_]


class Bootstrap:
    """Resampled column means of values per user.

    As every resample holds the same users for each column, differences of its means are paired.

    Args:
        values: shape (users, columns), finite; at least one user.
        resamples: their number.
        seed: of the draws.
    """

    def __init__(self, values: NDArray[np.float64], resamples: int = RESAMPLES, seed: int = _SEED) -> None:
        users = len(values)
        generator = np.random.default_rng(seed)
        at_once = max(1, _DRAWS_AT_ONCE // users)
        parts = []
        for start in range(0, resamples, at_once):
            count = min(at_once, resamples - start)
            drawn = generator.integers(0, users, size=(count, users))
            drawn += np.arange(count)[:, np.newaxis] * users
            times = np.bincount(drawn.ravel(), minlength=count * users).reshape(count, users)
            parts.append(times @ values / users)
        self._values = values
        self._means = values.mean(axis=0)
        self._resampled = np.concatenate(parts)

    def intervals(self) -> MeanIntervals:
        """Return the mean of each column, with its interval."""
        return _mean_intervals(self._means, self._resampled)

    def intervals_against(self, baseline: NDArray[np.intp]) -> DifferenceIntervals:
        """Return the mean difference of each column from its baseline; `baseline`: indices of columns."""
        intervals = _mean_intervals(
            self._means - self._means[baseline], self._resampled - self._resampled[:, baseline]
        )
        differences = self._values - self._values[:, baseline]
        return DifferenceIntervals(*intervals, _confirmed(differences, 1.0 - CONFIDENCE))

    def joint_intervals_against(
        self, baseline: NDArray[np.intp], columns: NDArray[np.intp] | slice = _ALL
    ) -> DifferenceIntervals:
        """Return the differences with intervals that hold simultaneously for all columns.

        The best of many looks better than it is. To each side, an interval extends by the number of standard
        errors that no column exceeds in 95 % of the resamples (Romano and Wolf 2005: studentized maximum).
        The level of the sign test is divided by the number of columns (Bonferroni).

        Args:
            baseline: indices of columns, by compared column.
            columns: indices of the compared columns.
        """
        means = self._means[columns] - self._means[baseline]
        resampled = self._resampled[:, columns] - self._resampled[:, baseline]
        errors = resampled.std(axis=0)
        deviations = np.abs(resampled - means) / np.where(errors > 0.0, errors, 1.0)
        half_width = np.quantile(deviations.max(axis=1), CONFIDENCE) * errors
        differences = self._values[:, columns] - self._values[:, baseline]
        confirmed = _confirmed(differences, (1.0 - CONFIDENCE) / len(baseline))
        return DifferenceIntervals(means, means - half_width, means + half_width, confirmed)


def _mean_intervals(means: NDArray[np.float64], resampled: NDArray[np.float64]) -> MeanIntervals:
    tail = (1.0 - CONFIDENCE) / 2
    low, high = np.quantile(resampled, (tail, 1.0 - tail), axis=0)
    return MeanIntervals(means, low, high)


def _confirmed(differences: NDArray[np.float64], level: float) -> NDArray[np.bool_]:
    """Return whether enough users differ, or their signs show the direction of the mean; shape (columns,)."""
    above, below = (differences > 0.0).sum(axis=0), (differences < 0.0).sum(axis=0)
    against = np.where(differences.mean(axis=0) > 0.0, below, above)
    chance = 2.0 * bdtr(against, above + below, 0.5)
    return np.asarray((above + below >= ENOUGH_USERS) | (chance <= level), dtype=np.bool_)
