"""Simulated users: a missing difference is rarely found, and an existing one needs few users.

At each visit a user reads a list of ten items, and likes relevant ones, the first ones more often. A ranking
is better if it has relevant items further up. Some users like much and most little, which makes differences
hard to see in an A/B test.
"""

from collections.abc import Callable
from itertools import count

import numpy as np
import pytest
from numpy.typing import NDArray

from recommender.databases.engagement_db import Exposure
from recommender.experiments.definitions import parse_experiments
from recommender.experiments.interleaving import team_draft
from recommender.experiments.report import InterleavingReport, read_interleaving
from recommender.experiments.statistics import IntervalEstimate, share_difference, share_power
from recommender.experiments.tokens import Placement, TokenSigner

ITEMS, SHOWN, RELEVANT, VISITS = 30, 10, 5, 4
SIGNER = TokenSigner(["k" * 32])
(RANKER,) = parse_experiments(
    "[ranker]\nkind = 'interleaving'\n[ranker.variants.a]\n[ranker.variants.b]\ndiversity = 0.5\n", ()
)
GIVEN_AT = 1_000_000
# The probability that a user looks at each rank.
SEEN = 1.0 / np.log2(np.arange(SHOWN) + 2.0)

Random = np.random.Generator
Skills = tuple[float, float]


class User:
    """A user, who likes much or little."""

    def __init__(self, random: Random) -> None:
        self._activity = min(4.0, float(random.lognormal(-1.0, 1.5)))
        self._random = random

    def relevant_today(self) -> NDArray[np.bool_]:
        return self._random.permutation(ITEMS) < RELEVANT

    def ranking(self, relevant: NDArray[np.bool_], skill: float) -> list[int]:
        found: list[int] = np.argsort(-(skill * relevant + self._random.normal(size=ITEMS))).tolist()
        return found

    def liked(self, shown: list[int], relevant: NDArray[np.bool_]) -> list[int]:
        chances = SEEN * np.where(relevant[shown], 0.2, 0.02) * self._activity
        return [shown[rank] for rank in np.flatnonzero(self._random.random(SHOWN) < chances)]


def interleaved(random: Random, users: int, skills: Skills) -> InterleavingReport:
    """Return the report of an experiment in which users get lists of both rankings."""
    exposures = []
    for number in range(users):
        user, name = User(random), f"user {number} {random.integers(1 << 60)}"
        for visit in range(VISITS):
            relevant = user.relevant_today()
            first, second = (user.ranking(relevant, skill) for skill in skills)
            drafted = team_draft(first, second, SHOWN, f"{name} {visit}")
            teams = {each.item: "ab"[each.team] for each in drafted}
            for item in user.liked(list(teams), relevant):
                token = SIGNER.sign(Placement("ranker", teams[item], name, f"{visit} {item}", 1, GIVEN_AT))
                exposures.append(Exposure(token, name, f"{visit} {item}", "LIKE", GIVEN_AT + 1.0))
    return read_interleaving(RANKER, exposures, SIGNER, {"LIKE"})


def hit_rate(random: Random, skill: float, users: int = 1_500) -> float:
    """Return the share of users who like anything in the lists of a ranking."""
    hits = 0
    for _ in range(users):
        user = User(random)
        for _ in range(VISITS):
            relevant = user.relevant_today()
            if user.liked(user.ranking(relevant, skill)[:SHOWN], relevant):
                hits += 1
                break
    return hits / users


def compared(random: Random, users: int, rates: tuple[float, float]) -> IntervalEstimate:
    """Return the difference of an A/B test in which each half of the users gets the lists of one ranking."""
    half = users // 2
    first, second = random.binomial(half, rates).tolist()
    return share_difference((first, second), (half, half))


def found(runs: int, run: Callable[[], IntervalEstimate]) -> int:
    return sum(run().excludes_zero for _ in range(runs))


@pytest.fixture
def random() -> Random:
    return np.random.default_rng(20_261_127)


@pytest.mark.slow
def test_two_equal_rankings_are_rarely_found_different(random: Random) -> None:
    runs = 80
    # At a rate of 5 %, more than this happens once in 1,000 times.
    most = 11
    # An exact interval of few users finds fewer than 5 %, perhaps none.
    assert found(runs, lambda: interleaved(random, 60, (1.0, 1.0)).preference) <= most
    rate = hit_rate(random, 1.0, 500)
    assert 1 <= found(runs, lambda: compared(random, 60, (rate, rate))) <= most


@pytest.mark.slow
def test_interleaving_needs_a_quarter_of_the_users_of_an_ab_test_at_most(random: Random) -> None:
    skills, users, runs = (0.7, 1.2), 1_500, 20
    report = interleaved(random, users, skills)
    assert report.power.users_needed is not None
    # Users who like nothing are not counted.
    needed = round(report.power.users_needed * users / report.users)
    rates = (hit_rate(random, skills[0]), hit_rate(random, skills[1]))
    hits = (round(rates[0] * users), round(rates[1] * users))
    needed_by_halves = share_power(hits, (users, users)).users_needed
    assert needed_by_halves is not None
    assert needed < needed_by_halves / 4
    # This many users find the difference, but hardly in an A/B test.
    by_lists = found(runs, lambda: interleaved(random, needed, skills).preference)
    by_halves = found(runs, lambda: compared(random, needed, rates))
    assert by_lists >= 0.6 * runs
    assert by_halves < by_lists


def test_forged_tokens_do_not_turn_a_result() -> None:
    forger, numbers = TokenSigner(["f" * 32]), count()

    def liked(signer: TokenSigner, team: str) -> Exposure:
        user = f"user {next(numbers)}"
        token = signer.sign(Placement("ranker", team, user, "1", 1, GIVEN_AT))
        return Exposure(token, user, "1", "LIKE", GIVEN_AT + 1.0)

    honest = [liked(SIGNER, "a") for _ in range(60)] + [liked(SIGNER, "b") for _ in range(20)]
    forged = [liked(forger, "b") for _ in range(500)]
    without = read_interleaving(RANKER, honest, SIGNER, {"LIKE"})
    assert without.preference.high < 0
    assert read_interleaving(RANKER, honest + forged, SIGNER, {"LIKE"}).preference == without.preference
