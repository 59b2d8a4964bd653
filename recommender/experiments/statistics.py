"""Intervals, power and required numbers of users for the results of experiments."""

import math
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

CONFIDENCE = 0.95
WANTED_POWER = 0.8
_RESAMPLES = 10_000
_SEED = 20_260_101
_NORMAL = NormalDist()
_Z = _NORMAL.inv_cdf(0.5 + CONFIDENCE / 2)


class IntervalEstimate(NamedTuple):
    """An estimate with its 95 % interval."""

    estimate: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Return whether the interval excludes 0; true for 5 % of experiments without a difference."""
        return self.low > 0.0 or self.high < 0.0


class Power(NamedTuple):
    """`reached`: probability of detecting a difference as large as the observed one.

    `users_needed`: number of users for a power of 80 %; None without a difference.
    """

    reached: float
    users_needed: int | None


def wilson(hits: int, trials: int) -> IntervalEstimate:
    """Return a share with its interval (Wilson 1927); of no users, the interval is [0, 1]."""
    if not trials:
        return IntervalEstimate(0.0, 0.0, 1.0)
    share, z2 = hits / trials, _Z * _Z
    middle = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    half = _Z / (1 + z2 / trials) * math.sqrt(share * (1 - share) / trials + z2 / (4 * trials * trials))
    return IntervalEstimate(share, max(0.0, middle - half), min(1.0, middle + half))


def share_difference(hits: tuple[int, int], trials: tuple[int, int]) -> IntervalEstimate:
    """Return the second share minus the first, with an interval (Newcombe 1998, by Wilson's intervals)."""
    first, second = (wilson(*each) for each in zip(hits, trials, strict=True))
    difference = second.estimate - first.estimate
    if not all(trials):
        return IntervalEstimate(difference, -1.0, 1.0)
    low = math.hypot(second.estimate - second.low, first.high - first.estimate)
    high = math.hypot(second.high - second.estimate, first.estimate - first.low)
    return IntervalEstimate(difference, difference - low, difference + high)


def share_power(hits: tuple[int, int], trials: tuple[int, int]) -> Power:
    """Return the power of a comparison of two shares. `users_needed` is for both together."""
    if not all(trials):
        return Power(0.0, None)
    first, second = (hit / trial for hit, trial in zip(hits, trials, strict=True))
    variances = [first * (1 - first) / trials[0], second * (1 - second) / trials[1]]
    return _power(second - first, math.sqrt(sum(variances)), sum(trials))


def preference(wins: tuple[int, int], ties: int) -> IntervalEstimate:
    """Return the preference for the second ranking, -0.5 to 0.5, with a bootstrap interval over users.

    It is Δ = (wins of the second + ties / 2) / users - 0.5 (Chapelle, Joachims, Radlinski, Yue 2012, section
    4). A resample of users with three outcomes is a draw from a multinomial distribution.

    Args:
        wins: how many users the first and the second ranking won.
        ties: how many users neither won.
    """
    users = sum(wins) + ties
    if not users:
        return IntervalEstimate(0.0, -0.5, 0.5)
    counts = np.array([wins[0], ties, wins[1]])
    drawn = np.random.default_rng(_SEED).multinomial(users, counts / users, size=_RESAMPLES)
    resampled = (drawn[:, 2] - drawn[:, 0]) / (2 * users)
    low, high = np.quantile(resampled, ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2))
    return IntervalEstimate((wins[1] - wins[0]) / (2 * users), float(low), float(high))


def preference_power(wins: tuple[int, int], ties: int) -> Power:
    """Return the power of an interleaving experiment."""
    users = sum(wins) + ties
    if not users:
        return Power(0.0, None)
    delta = (wins[1] - wins[0]) / (2 * users)
    variance = sum(wins) / (4 * users) - delta * delta
    return _power(delta, math.sqrt(max(0.0, variance) / users), users)


def sign_test(wins: tuple[int, int]) -> float:
    """Return the p-value of the two-sided exact sign test."""
    from scipy.stats import binomtest  # noqa: PLC0415 - a second, which only the report has to wait for

    trials = sum(wins)
    return float(binomtest(min(wins), trials).pvalue) if trials else 1.0


def _power(difference: float, error: float, users: int) -> Power:
    """Return the power of a two-sided test by normal approximation; `error`: the standard error."""
    if difference == 0.0:
        return Power(1 - CONFIDENCE, None)
    if error == 0.0:
        return Power(1.0, users)
    distance = abs(difference) / error
    reached = _NORMAL.cdf(distance - _Z) + _NORMAL.cdf(-distance - _Z)
    needed = users * ((_Z + _NORMAL.inv_cdf(WANTED_POWER)) / distance) ** 2
    return Power(reached, math.ceil(needed))
