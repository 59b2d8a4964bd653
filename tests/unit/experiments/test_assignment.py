"""A user's variant follows from names: with its share, independent of other experiments, for good."""

import math
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.experiments.assignment import position_of, variant_of

USERS = [str(uuid.UUID(int=number * 0x9E3779B97F4A7C15)) for number in range(20_000)]
NAMES = st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=20)
SHARES = st.lists(st.integers(1, 30), min_size=1, max_size=3).map(
    lambda parts: [part / 100 for part in parts]
)
# A deviation that one experiment in a million has by chance.
FAR = 4.9


def members(experiment: str, shares: list[float], variant: int | None) -> set[str]:
    return {user for user in USERS if variant_of(experiment, shares, user) == variant}


@pytest.mark.parametrize("experiment", ["diverse_lists", "ranker", "a"])
def test_each_variant_has_its_share_of_the_users_and_the_rest_is_in_none(experiment: str) -> None:
    shares = [0.5, 0.2, 0.05]
    for variant, share in ((0, 0.5), (1, 0.2), (2, 0.05), (None, 0.25)):
        found = len(members(experiment, shares, variant))
        error = math.sqrt(len(USERS) * share * (1 - share))
        assert abs(found - len(USERS) * share) < FAR * error


def test_experiments_are_independent() -> None:
    first, second = members("first", [0.3], 0), members("second", [0.4], 0)
    error = math.sqrt(len(USERS) * 0.12 * 0.88)
    assert abs(len(first & second) - len(USERS) * 0.12) < FAR * error


def test_all_users_take_part_if_the_shares_add_up_to_1() -> None:
    assert not members("whole", [0.1, 0.2, 0.7], None)
    assert not members("tenths", [0.1] * 10, None)


@given(NAMES, st.uuids().map(str), SHARES)
def test_the_variant_is_the_same_each_time_and_within_the_shares(
    experiment: str, user: str, shares: list[float]
) -> None:
    found = variant_of(experiment, shares, user)
    assert found == variant_of(experiment, list(shares), user)
    position = position_of(experiment, user)
    assert 0.0 <= position < 1.0
    assert (found is None) == (position >= sum(shares))


@given(NAMES, st.uuids().map(str), SHARES, st.data())
def test_a_variant_that_grows_keeps_its_users(
    experiment: str, user: str, shares: list[float], data: st.DataObject
) -> None:
    before = variant_of(experiment, shares, user)
    growing = data.draw(st.integers(0, len(shares) - 1))
    grown = [share + (0.1 if number == growing else 0.0) for number, share in enumerate(shares)]
    if before == growing:
        assert variant_of(experiment, grown, user) == growing


@given(NAMES, st.uuids().map(str), SHARES)
def test_the_last_variant_grows_by_users_who_took_no_part(
    experiment: str, user: str, shares: list[float]
) -> None:
    before = variant_of(experiment, shares, user)
    after = variant_of(experiment, [*shares[:-1], shares[-1] + 0.1], user)
    assert after == before or (before is None and after == len(shares) - 1)
