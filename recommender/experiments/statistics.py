"""Intervals, power and required numbers of users for the results of experiments."""

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple

CONFIDENCE = 0.95
WANTED_POWER = 0.8
_NORMAL = NormalDist()


class IntervalEstimate(NamedTuple):
    """An estimate with its interval, of 95 % unless stated otherwise."""

    estimate: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Return whether the interval excludes 0; without a difference, a 95 % interval does in 5 %."""
        return self.low > 0.0 or self.high < 0.0


class Power(NamedTuple):
    """`reached`: probability of detecting a difference as large as the observed one.

    `users_needed`: number of users for a power of 80 %; None without a difference.
    """

    reached: float
    users_needed: int | None


def joint_confidence(comparisons: int) -> float:
    """Return the confidence of each of several intervals that are all right in 95 % of experiments."""
    # Bonferroni's bound. Comparisons with one control depend on each other, which the bound allows.
    return 1 - (1 - CONFIDENCE) / max(comparisons, 1)


def wilson(hits: int, trials: int, confidence: float = CONFIDENCE) -> IntervalEstimate:
    """Return a share with its interval (Wilson 1927); of no users, the interval is [0, 1]."""
    if not trials:
        return IntervalEstimate(0.0, 0.0, 1.0)
    share, z = hits / trials, _z(confidence)
    z2 = z * z
    middle = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    half = z / (1 + z2 / trials) * math.sqrt(share * (1 - share) / trials + z2 / (4 * trials * trials))
    return IntervalEstimate(share, max(0.0, middle - half), min(1.0, middle + half))


def share_difference(
    hits: tuple[int, int], trials: tuple[int, int], confidence: float = CONFIDENCE
) -> IntervalEstimate:
    """Return the second share minus the first, with an interval (Newcombe 1998, by Wilson's intervals)."""
    first, second = (wilson(*each, confidence) for each in zip(hits, trials, strict=True))
    difference = second.estimate - first.estimate
    if not all(trials):
        return IntervalEstimate(difference, -1.0, 1.0)
    low = math.hypot(second.estimate - second.low, first.high - first.estimate)
    high = math.hypot(second.high - second.estimate, first.estimate - first.low)
    return IntervalEstimate(difference, difference - low, difference + high)


def share_power(hits: tuple[int, int], trials: tuple[int, int], confidence: float = CONFIDENCE) -> Power:
    """Return the power of a comparison of two shares. `users_needed` is for both together."""
    if not all(trials):
        return Power(0.0, None)
    first, second = (hit / trial for hit, trial in zip(hits, trials, strict=True))
    # One hit and one miss more in each group: without them, few users would seem not to vary at all.
    smoothed = ((hit + 1) / (trial + 2) for hit, trial in zip(hits, trials, strict=True))
    variances = [share * (1 - share) / trial for share, trial in zip(smoothed, trials, strict=True)]
    return _power(second - first, math.sqrt(sum(variances)), sum(trials), confidence)


def preference(wins: tuple[int, int], ties: int) -> IntervalEstimate:
    """Return the preference for the second ranking, -0.5 to 0.5, with an interval.

    It is Δ = (wins of the second + ties / 2) / users - 0.5 (Chapelle, Joachims, Radlinski, Yue 2012, section
    4). That is (share of the second in all wins - 0.5) × wins / users. The interval is that of the share
    (Clopper and Pearson 1934), so it excludes 0 exactly if the sign test finds a difference.

    Args:
        wins: how many users the first and the second ranking won.
        ties: how many users neither won.
    """
    from scipy.stats import binomtest  # noqa: PLC0415 - importing takes a second, only for the report

    decided = sum(wins)
    if not decided:
        # The largest share of users with a winner that would leave so many ties.
        most = 1.0 - ((1 - CONFIDENCE) / 2) ** (1 / ties) if ties else 1.0
        return IntervalEstimate(0.0, -most / 2, most / 2)
    found = binomtest(wins[1], decided).proportion_ci(CONFIDENCE, method="exact")
    shares = (wins[1] / decided, float(found.low), float(found.high))
    return IntervalEstimate(*((share - 0.5) * decided / (decided + ties) for share in shares))


def preference_power(wins: tuple[int, int], ties: int) -> Power:
    """Return the power of an interleaving experiment."""
    users = sum(wins) + ties
    if not users:
        return Power(0.0, None)
    # As in `share_power`, here half a user more for each of the three outcomes.
    first, second = ((won + 0.5) / (users + 1.5) for won in wins)
    variance = (first + second - (second - first) ** 2) / 4
    return _power((wins[1] - wins[0]) / (2 * users), math.sqrt(variance / users), users, CONFIDENCE)


def sign_test(wins: tuple[int, int]) -> float:
    """Return the p-value of the two-sided exact sign test."""
    from scipy.stats import binomtest  # noqa: PLC0415 - importing takes a second, only for the report

    trials = sum(wins)
    return float(binomtest(min(wins), trials).pvalue) if trials else 1.0


def shares_test(counts: Sequence[int], shares: Sequence[float]) -> float:
    """Return the p-value of a test that counts are distributed by shares.

    Each count is compared with all others by the exact binomial test. Of more than two, the smallest p-value
    is multiplied by their number (Bonferroni), so it is an upper bound.
    """
    from scipy.stats import binomtest  # noqa: PLC0415 - importing takes a second, only for the report

    total, others = sum(counts), len(counts) - 1
    if not total or not others:
        return 1.0
    # Pearson's chi-squared test is wrong for few users: for 2 of 10 at a share of 2 %, it returns 0.00005
    # instead of 0.016.
    smallest = min(
        float(binomtest(count, total, share / sum(shares)).pvalue)
        for count, share in zip(counts, shares, strict=True)
    )
    # Two counts have the same p-value, as one determines the other.
    return min(1.0, len(counts) * smallest) if others > 1 else smallest


def _z(confidence: float) -> float:
    """Return how many standard errors an interval reaches to each side."""
    return _NORMAL.inv_cdf(0.5 + confidence / 2)


def _power(difference: float, error: float, users: int, confidence: float) -> Power:
    """Return the power of a two-sided test by normal approximation; `error`: the standard error."""
    if difference == 0.0:
        return Power(1 - confidence, None)
    distance, z = abs(difference) / error, _z(confidence)
    reached = _NORMAL.cdf(distance - z) + _NORMAL.cdf(-distance - z)
    needed = users * ((z + _NORMAL.inv_cdf(WANTED_POWER)) / distance) ** 2
    return Power(reached, math.ceil(needed))
