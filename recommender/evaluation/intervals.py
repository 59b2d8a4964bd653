"""Confidence intervals of means over users, with the same users for all columns.

Of means, the percentile interval of a bootstrap: Efron and Tibshirani, "An Introduction to the Bootstrap"
(1993). Of differences, an interval that allows for skewness: Hall, "On the Removal of Skewness by
Transformation" (1992). Percentiles let many small gains with a rare lost first rank look better than they
are. For few users, both are too narrow: of one user, they are a point. Differences of few users must also
pass a sign test.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, ndtri

CONFIDENCE = 0.95
RESAMPLES = 2_000
# If fewer users differ, the interval alone shows no difference.
ENOUGH_USERS = 30
_ALL = slice(None)
_TAIL = (1.0 - CONFIDENCE) / 2
# Where the correction is smaller, it would only add rounding errors.
_LEAST_SKEWNESS = 1e-6
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
        differences = self._values - self._values[:, baseline]
        return _difference_intervals(differences, -ndtri(_TAIL), 1.0 - CONFIDENCE)

    def joint_intervals_against(
        self, baseline: NDArray[np.intp], columns: NDArray[np.intp] | slice = _ALL
    ) -> DifferenceIntervals:
        """Return the differences with intervals that hold simultaneously for all columns.

        The best of many looks better than it is. To each side, an interval extends by the number of standard
        errors that no column exceeds in 95 % of the resamples (Romano and Wolf 2005: studentized maximum),
        corrected for skewness. The level of the sign test is divided by the number of columns (Bonferroni).

        Args:
            baseline: indices of columns, by compared column.
            columns: indices of the compared columns.
        """
        means = self._means[columns] - self._means[baseline]
        resampled = self._resampled[:, columns] - self._resampled[:, baseline]
        errors = resampled.std(axis=0)
        deviations = np.abs(resampled - means) / np.where(errors > 0.0, errors, 1.0)
        half_width = float(np.quantile(deviations.max(axis=1), CONFIDENCE))
        differences = self._values[:, columns] - self._values[:, baseline]
        return _difference_intervals(differences, half_width, (1.0 - CONFIDENCE) / len(baseline))


def _mean_intervals(means: NDArray[np.float64], resampled: NDArray[np.float64]) -> MeanIntervals:
    low, high = np.quantile(resampled, (_TAIL, 1.0 - _TAIL), axis=0)
    return MeanIntervals(means, low, high)


def _difference_intervals(
    differences: NDArray[np.float64], half_width: float, level: float
) -> DifferenceIntervals:
    """Return the means of differences with their intervals, corrected for skewness.

    Args:
        differences: shape (users, columns); overwritten, as copies for many users take much memory.
        half_width: of an interval of normal values, in standard errors.
        level: of the sign test.
    """
    users = len(differences)
    confirmed = _confirmed(differences, level)
    means = differences.mean(axis=0)
    centered = np.subtract(differences, means, out=differences)
    deviations = np.sqrt(np.einsum("uc,uc->c", centered, centered) / users)
    cubes = deviations**3
    skewness = np.einsum("uc,uc,uc->c", centered, centered, centered) / users
    skewness = np.divide(skewness, cubes, out=np.zeros_like(means), where=cubes > 0.0)
    errors, a = deviations / np.sqrt(users), skewness / (3.0 * np.sqrt(users))
    return DifferenceIntervals(
        means,
        means - errors * _studentized(half_width, a),
        means - errors * _studentized(-half_width, a),
        confirmed,
    )


def _studentized(normal: float, a: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return which studentized means correspond to a standard normal value.

    The inverse of Hall's g(t) = t + a t² + a² t³ / 3 + a / 2; a: skewness / (3 √users).
    """
    is_skewed = np.abs(a) > _LEAST_SKEWNESS
    divisor = np.where(is_skewed, a, 1.0)
    found = (np.cbrt(1.0 + 3.0 * a * (normal - a / 2.0)) - 1.0) / divisor
    return np.where(is_skewed, found, normal)


def _confirmed(differences: NDArray[np.float64], level: float) -> NDArray[np.bool_]:
    """Return whether enough users differ, or their signs show the direction of the mean; shape (columns,)."""
    above, below = (differences > 0.0).sum(axis=0), (differences < 0.0).sum(axis=0)
    against = np.where(differences.mean(axis=0) > 0.0, below, above)
    chance = 2.0 * bdtr(against, above + below, 0.5)
    return np.asarray((above + below >= ENOUGH_USERS) | (chance <= level), dtype=np.bool_)
