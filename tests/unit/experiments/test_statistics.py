"""Intervals contain the true value as often as they say, and so does the power."""

from itertools import product, starmap

import numpy as np
import pytest
from scipy.stats import multinomial

from recommender.experiments.statistics import (
    IntervalEstimate,
    joint_confidence,
    preference,
    preference_power,
    share_difference,
    share_power,
    shares_test,
    sign_test,
    wilson,
)

# Of 1,000 experiments at a rate of 5 %, the number is outside of these bounds once in 10,000 times.
FEWEST, MOST = 26, 79
RUNS = 1_000


def test_the_interval_of_a_share_is_that_of_wilson() -> None:
    # Newcombe (1998), "Two-sided confidence intervals for the single proportion", table 1.
    assert wilson(81, 263) == pytest.approx((81 / 263, 0.2553, 0.3662), abs=1e-4)
    assert wilson(0, 20) == pytest.approx((0.0, 0.0, 0.1611), abs=1e-4)
    assert wilson(0, 0) == (0.0, 0.0, 1.0)


def test_the_interval_of_a_difference_is_that_of_newcombe() -> None:
    # Newcombe (1998), "Interval estimation for the difference", table II, method 10: 56/70 - 48/80.
    assert share_difference((48, 56), (80, 70)) == pytest.approx((0.2, 0.0524, 0.3339), abs=1e-4)
    assert share_difference((0, 1), (0, 1)) == (1.0, -1.0, 1.0)


def test_the_sign_test_is_exact() -> None:
    assert sign_test((1, 9)) == pytest.approx(2 * 11 / 1024)
    assert sign_test((5, 5)) == 1.0
    assert sign_test((0, 0)) == 1.0
    assert 0.0 <= sign_test((10_000, 20_000)) < 1e-100
    assert sign_test((50_000, 50_100)) == pytest.approx(0.7544, abs=1e-3)


def test_a_preference_counts_half_of_the_ties() -> None:
    found = preference((20, 60), 20)
    assert found.estimate == pytest.approx(60 / 100 + 10 / 100 - 0.5)
    assert preference((60, 20), 20) == pytest.approx((-found.estimate, -found.high, -found.low))
    assert preference((0, 0), 0) == (0.0, -0.5, 0.5)


def test_many_ties_alone_leave_little_room_for_a_preference() -> None:
    found = preference((0, 0), 1_000)
    assert found.estimate == 0.0
    assert found.high == -found.low == pytest.approx(0.0018, abs=1e-4)


def test_the_interval_of_a_preference_is_that_of_clopper_and_pearson() -> None:
    # Newcombe (1998), "Two-sided confidence intervals for the single proportion", table 1, method 5.
    expected = np.array([81 / 263, 0.2527, 0.3676]) - 0.5
    assert preference((182, 81), 0) == pytest.approx(expected, abs=1e-4)
    assert preference((182, 81), 263) == pytest.approx(expected / 2, abs=1e-4)


@pytest.mark.parametrize("users", range(1, 12))
def test_few_users_who_agree_are_a_difference_only_if_the_sign_test_says_so(users: int) -> None:
    wins = (0, users)
    assert preference(wins, 0).excludes_zero == (sign_test(wins) <= 0.05)
    assert preference(wins, 3).excludes_zero == (sign_test(wins) <= 0.05)
    assert preference_power(wins, 0).reached < 1.0


def test_a_single_user_in_each_variant_has_little_power() -> None:
    power = share_power((0, 1), (1, 1))
    assert power.reached < 0.5
    assert power.users_needed is not None
    assert power.users_needed > 2


def test_without_a_difference_one_in_twenty_comparisons_of_shares_finds_one() -> None:
    hits = np.random.default_rng(1).binomial(400, 0.3, size=(RUNS, 2)).tolist()
    found = sum(share_difference((first, second), (400, 400)).excludes_zero for first, second in hits)
    assert FEWEST <= found <= MOST


def test_without_a_difference_at_most_one_in_twenty_experiments_with_many_variants_finds_one() -> None:
    confidence = joint_confidence(5)
    experiments = np.random.default_rng(4).binomial(400, 0.3, size=(RUNS, 6)).tolist()
    found = sum(
        any(share_difference((first, hits), (400, 400), confidence).excludes_zero for hits in others)
        for first, *others in experiments
    )
    assert 0 < found <= MOST


@pytest.mark.slow
def test_without_a_difference_one_in_twenty_preferences_is_found() -> None:
    outcomes = np.random.default_rng(2).multinomial(300, [0.35, 0.3, 0.35], size=RUNS).tolist()
    found = sum(preference((first, second), ties).excludes_zero for first, ties, second in outcomes)
    assert FEWEST <= found <= MOST


@pytest.mark.slow
def test_power_is_the_share_of_experiments_that_find_the_difference() -> None:
    draws = np.random.default_rng(3)
    outcomes = draws.multinomial(400, [0.3, 0.3, 0.4], size=RUNS).tolist()
    found = sum(preference((first, second), ties).excludes_zero for first, ties, second in outcomes) / RUNS
    assert preference_power((120, 160), 120).reached == pytest.approx(found, abs=0.05)
    hits = draws.binomial(400, [0.3, 0.4], size=(RUNS, 2)).tolist()
    found = sum(each.excludes_zero for each in starmap(_compared, hits)) / RUNS
    assert share_power((120, 160), (400, 400)).reached == pytest.approx(found, abs=0.05)


def _compared(first: int, second: int) -> IntervalEstimate:
    return share_difference((first, second), (400, 400))


def test_as_many_users_as_are_needed_have_a_power_of_80_percent() -> None:
    power = share_power((120, 130), (400, 400))
    assert power.users_needed is not None
    more = power.users_needed / 800
    grown = share_power((round(120 * more), round(130 * more)), (round(400 * more),) * 2)
    assert grown.reached == pytest.approx(0.8, abs=0.01)
    assert preference_power((0, 0), 0).users_needed is None


def test_without_a_difference_power_is_the_rate_of_false_alarms_for_any_number_of_users() -> None:
    for power in (share_power((120, 120), (400, 400)), preference_power((9, 9), 3)):
        assert power.reached == pytest.approx(0.05)
        assert power.users_needed is None


def test_a_comparison_among_several_has_less_power_and_needs_more_users() -> None:
    alone = share_power((120, 160), (400, 400))
    among_five = share_power((120, 160), (400, 400), joint_confidence(5))
    assert among_five.reached < alone.reached
    assert alone.users_needed is not None
    assert among_five.users_needed is not None
    # Normal quantiles: (2.5758 + 0.8416)² / (1.9600 + 0.8416)².
    assert among_five.users_needed == pytest.approx(1.488 * alone.users_needed, rel=0.01)


def test_counts_of_two_variants_are_compared_with_shares_exactly() -> None:
    assert shares_test([9, 1], [0.5, 0.5]) == pytest.approx(2 * 11 / 1024)
    # No user at all of the second variant is likelier than two.
    two_or_more = 1 - 0.98**10 - 10 * 0.02 * 0.98**9
    assert shares_test([8, 2], [0.98, 0.02]) == pytest.approx(two_or_more)
    assert shares_test([8, 2], [0.49, 0.01]) == pytest.approx(two_or_more)
    assert shares_test([40, 20], [0.2, 0.1]) == 1.0
    assert shares_test([7], [0.3]) == shares_test([0, 0], [0.5, 0.5]) == 1.0


def test_counts_of_more_variants_are_compared_with_shares_by_the_oddest_of_them() -> None:
    assert shares_test([0, 10, 10], [0.5, 0.25, 0.25]) == pytest.approx(3 * 2 / 2**20)
    assert shares_test([10, 10, 10], [0.3, 0.3, 0.3]) == 1.0


@pytest.mark.parametrize(
    ("shares", "users"),
    [((0.98, 0.02), 10), ((0.99, 0.01), 50), ((0.99, 0.01), 100), ((0.96, 0.02, 0.02), 20)],
)
def test_few_users_of_a_small_variant_give_no_more_false_alarms_than_stated(
    shares: tuple[float, ...], users: int
) -> None:
    level = 0.001
    # The probability of each possible outcome, multinomial, is summed over those below the level.
    outcomes = (each for each in product(range(users + 1), repeat=len(shares)) if sum(each) == users)
    alarms = [each for each in outcomes if shares_test(each, shares) < level]
    assert alarms
    assert sum(multinomial.pmf(alarms, users, shares)) <= level
