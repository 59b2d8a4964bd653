"""Intervals contain the true value as often as they say, and differences are paired."""

import numpy as np
import pytest
from numpy.typing import NDArray

from recommender.evaluation.intervals import Bootstrap
from recommender.evaluation.results import MetricDifference, Verdict


def test_the_interval_of_a_mean_is_about_two_standard_errors_wide() -> None:
    values = np.random.default_rng(1).normal(size=(2_000, 1))
    intervals = Bootstrap(values).intervals()
    error = values.std() / np.sqrt(2_000)
    assert intervals.mean[0] == values.mean()
    assert 3.6 * error < intervals.high[0] - intervals.low[0] < 4.2 * error


def test_a_small_gain_of_every_user_is_significant_however_much_users_differ() -> None:
    base = np.random.default_rng(2).normal(scale=100.0, size=300)
    intervals = Bootstrap(np.stack((base, base + 0.01), axis=1)).intervals_against(np.array([0, 0]))
    assert np.allclose(intervals.mean, [0.0, 0.01])
    assert intervals.low[0] == intervals.high[0] == 0.0
    assert 0.009 < intervals.low[1] <= intervals.high[1] < 0.011


def test_intervals_of_the_same_values_are_the_same() -> None:
    values = np.random.default_rng(3).random((50, 2))
    assert Bootstrap(values).intervals().low.tolist() == Bootstrap(values).intervals().low.tolist()


def test_intervals_of_many_columns_together_let_chance_pass_less_often() -> None:
    """Of two hundred columns without any difference, some look better one by one."""
    noise = np.random.default_rng(3).normal(size=(300, 200))
    noise[:, 0] = 0.0
    bootstrap = Bootstrap(noise)
    against = np.zeros(200, dtype=np.intp)
    assert (bootstrap.intervals_against(against).low > 0).any()
    assert not (bootstrap.joint_intervals_against(against).low > 0).any()


def skewed(columns: int, *, users: int = 200) -> NDArray[np.float64]:
    """Return differences with a mean of 0, of many small gains and few lost first ranks; 0 in column 0."""
    drawn = np.random.default_rng(5).random((users, columns + 1))
    differences = np.where(drawn < 0.3, 0.1, np.where(drawn < 0.97, 0.0, -1.0))
    differences[:, 0] = 0.0
    return differences


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_skewed_differences_look_better_or_worse_no_more_often_than_stated(sign: float) -> None:
    """At most 2.5 % of them on either side; percentiles of a bootstrap call 7 % of them better."""
    found = Bootstrap(sign * skewed(2_000)).intervals_against(np.zeros(2_001, dtype=np.intp))
    assert (found.low[1:] > 0).mean() <= 0.035
    assert (found.high[1:] < 0).mean() <= 0.035


def test_skewed_differences_of_many_columns_look_better_together_no_more_often_than_stated() -> None:
    bootstrap = Bootstrap(skewed(3_000))
    families = np.arange(1, 3_001).reshape(300, 10)
    found = [bootstrap.joint_intervals_against(np.zeros(10, dtype=np.intp), family) for family in families]
    assert np.mean([(each.low > 0).any() for each in found]) <= 0.04


def test_intervals_of_symmetric_differences_are_those_of_the_normal_distribution() -> None:
    gains = np.random.default_rng(6).normal(0.1, 1.0, 500)
    gains = np.concatenate((gains, 0.2 - gains))
    found = Bootstrap(np.stack((np.zeros(1_000), gains), axis=1)).intervals_against(np.array([0, 0]))
    error = gains.std() / np.sqrt(1_000)
    assert found.low[1] == pytest.approx(0.1 - 1.96 * error, abs=1e-4)
    assert found.high[1] == pytest.approx(0.1 + 1.96 * error, abs=1e-4)


def test_better_and_worse_require_an_interval_that_excludes_0() -> None:
    assert MetricDifference.of(0.1, 0.01, 0.2, confirmed=True).verdict is Verdict.BETTER
    assert MetricDifference.of(-0.1, -0.2, -0.01, confirmed=True).verdict is Verdict.WORSE
    assert MetricDifference.of(0.1, -0.01, 0.2, confirmed=True).verdict is Verdict.UNCLEAR
    assert MetricDifference.of(0.0, 0.0, 0.0, confirmed=True).verdict is Verdict.UNCLEAR
    assert MetricDifference.of(0.1, 0.01, 0.2, confirmed=False).verdict is Verdict.UNCLEAR


@pytest.mark.parametrize(
    ("better", "worse", "alone", "joint"),
    [
        (1, 0, False, False),
        (4, 0, False, False),
        (6, 0, True, False),
        (9, 0, True, True),
        (20, 8, True, False),
        (20, 10, True, True),
    ],
)
@pytest.mark.parametrize("users", [40, 4_000])
def test_a_difference_of_few_users_needs_a_sign_test(
    *, better: int, worse: int, alone: bool, joint: bool, users: int
) -> None:
    """With ten columns, 9 of 9 users pass the joint test (p = 0.004); 28 users are too few, 30 are not."""
    gains = np.zeros((users, 10))
    gains[:better, 1], gains[better : better + worse, 1] = 0.5, -0.5
    bootstrap, baseline = Bootstrap(gains), np.zeros(10, dtype=np.intp)
    assert bootstrap.intervals_against(baseline).confirmed[1] == alone
    assert bootstrap.joint_intervals_against(baseline).confirmed[1] == joint
    assert Bootstrap(-gains).intervals_against(baseline).confirmed[1] == alone


def test_a_difference_is_not_confirmed_if_most_users_differ_in_the_other_direction() -> None:
    gains = np.zeros((100, 2))
    gains[0, 1], gains[1:11, 1] = 50.0, -0.5
    assert not Bootstrap(gains).intervals_against(np.array([0, 0])).confirmed[1]


def test_users_of_whom_none_differs_confirm_nothing() -> None:
    assert not Bootstrap(np.ones((3, 2))).intervals_against(np.array([0, 0])).confirmed.any()
