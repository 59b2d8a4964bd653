"""Simulated users: a difference that is not there is rarely found, and one that is takes few users.

Users go through a list of ten items and like those they find relevant, the first ones more often. A ranking
is the better, the further up it has what is relevant to them.
"""

from collections.abc import Callable

import numpy as np
import pytest

from recommender.databases.engagement_db import Exposure
from recommender.experiments.definitions import Experiment, parse_experiments
from recommender.experiments.interleaving import team_draft
from recommender.experiments.report import InterleavingReport, read_interleaving
from recommender.experiments.statistics import Interval, share_difference
from recommender.experiments.tokens import Placement, TokenSigner

ITEMS, SHOWN, RELEVANT = 40, 10, 6
SIGNER = TokenSigner(["k" * 32])
(RANKER,) = parse_experiments(
    "[ranker]\nkind = 'interleaving'\n[ranker.variants.a]\n[ranker.variants.b]\ndiversity = 0.5\n", ()
)
GIVEN_AT = 1_000_000
# How likely a user looks at each rank.
SEEN = 1.0 / np.log2(np.arange(SHOWN) + 2.0)

Random = np.random.Generator


class User:
    """A user who finds some items relevant, and two rankings that put these further up than others."""

    def __init__(self, random: Random, skills: tuple[float, float]) -> None:
        self.relevant = random.permutation(ITEMS) < RELEVANT
        self.rankings = [
            np.argsort(-(skill * self.relevant + random.normal(size=ITEMS))).tolist() for skill in skills
        ]
        self._random = random

    def liked(self, shown: list[int]) -> list[int]:
        chances = SEEN[: len(shown)] * np.where(self.relevant[shown], 0.25, 0.02)
        return [
            item
            for item, is_liked in zip(shown, self._random.random(len(shown)) < chances, strict=True)
            if is_liked
        ]


def interleaved(random: Random, users: int, skills: tuple[float, float]) -> InterleavingReport:
    """The report of an experiment in which each user goes through a list of both rankings once."""
    exposures = []
    for number in range(users):
        user = User(random, skills)
        name = f"user {number} of {random.integers(1 << 60)}"
        drafted = team_draft(user.rankings[0], user.rankings[1], SHOWN, name)
        teams = {each.item: "ab"[each.team] for each in drafted}
        for item in user.liked([each.item for each in drafted]):
            token = SIGNER.sign(Placement("ranker", teams[item], name, str(item), 1, GIVEN_AT))
            exposures.append(Exposure(token, name, str(item), "LIKE", GIVEN_AT + 1.0))
    return read_interleaving(RANKER, exposures, SIGNER, {"LIKE"})


def hit_rate(random: Random, skill: float, users: int = 3_000) -> float:
    """The share of users who like anything in the list of a ranking."""
    hits = 0
    for _ in range(users):
        user = User(random, (skill, skill))
        hits += bool(user.liked(user.rankings[0][:SHOWN]))
    return hits / users


def compared(random: Random, users: int, rates: tuple[float, float]) -> Interval:
    """The difference of an A/B test in which each half of the users gets the list of one ranking."""
    half = users // 2
    first, second = random.binomial(half, rates).tolist()
    return share_difference((first, second), (half, half))


def found(runs: int, run: Callable[[], Interval]) -> int:
    return sum(run().is_away_from_0 for _ in range(runs))


@pytest.fixture
def random() -> Random:
    return np.random.default_rng(20_261_127)


def test_two_rankings_that_are_alike_are_rarely_told_apart(random: Random) -> None:
    runs = 120
    # At a rate of 5 %, more than this happens once in 1,000 times.
    most = 14
    assert 1 <= found(runs, lambda: interleaved(random, 100, (1.0, 1.0)).preference) <= most
    rate = hit_rate(random, 1.0)
    assert 1 <= found(runs, lambda: compared(random, 100, (rate, rate))) <= most


def test_interleaving_needs_less_than_a_quarter_of_the_users_of_an_ab_test(random: Random) -> None:
    skills, runs = (0.6, 1.1), 40
    rates = (hit_rate(random, skills[0]), hit_rate(random, skills[1]))
    by_lists = found(runs, lambda: interleaved(random, 400, skills).preference)
    by_halves = found(runs, lambda: compared(random, 1_600, rates))
    assert by_lists >= 0.8 * runs
    assert by_halves < by_lists


def test_forged_tokens_do_not_turn_a_result(random: Random) -> None:
    honest = interleaved(random, 200, (1.2, 0.4))
    assert honest.preference.high < 0
    forger = TokenSigner(["f" * 32])
    forged = [
        Exposure(
            forger.sign(Placement("ranker", "b", f"forger {number}", "1", 1, GIVEN_AT)),
            f"forger {number}",
            "1",
            "LIKE",
            GIVEN_AT + 1.0,
        )
        for number in range(500)
    ]
    assert forged_only(forged).users == 0
    assert forged_only(forged).refused == 500


def forged_only(exposures: list[Exposure], experiment: Experiment = RANKER) -> InterleavingReport:
    return read_interleaving(experiment, exposures, SIGNER, {"LIKE"})
