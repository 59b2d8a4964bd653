"""Team drafts from two rankings are reproducible and fair."""

from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from recommender.experiments.interleaving import coins, team_draft

ITEMS = list(range(12))
RANKINGS = st.permutations(ITEMS)
SEEDS = st.text(max_size=20)


@given(RANKINGS, RANKINGS, SEEDS)
def test_the_list_has_every_item_once_and_teams_of_one_size(
    first: list[int], second: list[int], seed: str
) -> None:
    drafted = team_draft(first, second, len(ITEMS), seed)
    assert sorted(each.item for each in drafted) == ITEMS
    for end in range(len(drafted) + 1):
        second_team = sum(each.team for each in drafted[:end])
        assert abs(end - 2 * second_team) <= 1


@given(RANKINGS, RANKINGS, SEEDS)
def test_each_team_picks_its_best_item_that_is_left(first: list[int], second: list[int], seed: str) -> None:
    left = [list(first), list(second)]
    for item, team in team_draft(first, second, len(ITEMS), seed):
        assert left[team][0] == item
        for ranking in left:
            ranking.remove(item)


@given(RANKINGS, RANKINGS, SEEDS, st.integers(0, 12))
def test_a_longer_list_begins_with_the_shorter_one(
    first: list[int], second: list[int], seed: str, length: int
) -> None:
    whole = team_draft(first, second, len(ITEMS), seed)
    assert team_draft(first[:length], second[:length], length, seed) == whole[:length]


def test_a_short_ranking_is_completed_from_the_other() -> None:
    drafted = team_draft([1], [2, 3, 4], 4, "seed")
    assert sorted(each.item for each in drafted) == [1, 2, 3, 4]
    assert team_draft([], [], 4, "seed") == []


def test_coins_are_the_same_for_a_seed_and_fair() -> None:
    flipped = list(islice(coins("seed"), 2_000))
    assert flipped == list(islice(coins("seed"), 2_000))
    assert flipped != list(islice(coins("another"), 2_000))
    assert abs(sum(flipped) - 1_000) < 110
    # The team that begins differs between users.
    firsts = [next(coins(f"user {number}")) for number in range(2_000)]
    assert abs(sum(firsts) - 1_000) < 110
