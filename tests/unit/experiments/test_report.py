"""Interactions are counted for the user's variant, or for the ranking that an item came from."""

from collections.abc import Iterable
from itertools import chain

import numpy as np
import pytest

from recommender.databases.engagement_db import Exposure, InteractionArrays
from recommender.experiments.definitions import parse_experiments
from recommender.experiments.report import read_ab, read_interleaving
from recommender.experiments.tokens import Placement, TokenSigner

SIGNER = TokenSigner(["k" * 32])
FORGER = TokenSigner(["f" * 32])
(RANKER,) = parse_experiments(
    "[ranker]\nkind = 'interleaving'\n[ranker.variants.a]\n[ranker.variants.b]\ndiversity = 0.5\n", ()
)
GIVEN_AT = 1_000_000


def exposure(
    user: str,
    item: str,
    team: str,
    *,
    kind: str = "LIKE",
    after_s: float = 60.0,
    signer: TokenSigner = SIGNER,
) -> Exposure:
    token = signer.sign(Placement("ranker", team, user, item, 1, GIVEN_AT))
    return Exposure(token, user, item, kind, GIVEN_AT + after_s)


def test_users_are_won_by_the_team_with_more_items() -> None:
    found = read_interleaving(
        RANKER,
        [
            *(exposure("u1", item, "b") for item in "xy"),
            exposure("u1", "z", "a"),
            exposure("u2", "x", "b"),
            exposure("u3", "x", "a"),
            exposure("u4", "x", "a"),
            exposure("u4", "y", "b"),
        ],
        SIGNER,
        {"LIKE"},
    )
    assert (found.teams, found.credits, found.wins, found.ties) == (("a", "b"), (3, 4), (1, 2), 1)
    assert (found.users, found.refused) == (4, 0)
    assert found.preference.estimate == pytest.approx(2.5 / 4 - 0.5)


def test_an_item_counts_once_by_its_first_positive_interaction() -> None:
    rows = [
        exposure("u1", "x", "a", after_s=500),
        exposure("u1", "x", "b", after_s=10),
        exposure("u1", "x", "b", after_s=10),
        exposure("u2", "x", "a", kind="DISLIKE"),
    ]
    # Whatever the order in which they are read.
    for exposures in (rows, rows[::-1]):
        found = read_interleaving(RANKER, exposures, SIGNER, {"LIKE", "WATCH"})
        assert (found.credits, found.wins, found.ties, found.refused) == ((0, 1), (0, 1), 0, 0)


def test_an_interaction_may_be_older_than_its_token_by_what_clocks_differ() -> None:
    rows = [exposure("u1", "x", "b", after_s=-299), exposure("u2", "x", "b", after_s=-301)]
    found = read_interleaving(RANKER, rows, SIGNER, {"LIKE"})
    assert (found.credits, found.refused) == ((0, 1), 1)


@pytest.mark.parametrize(
    "false",
    [
        exposure("u1", "x", "b", signer=FORGER),
        exposure("u1", "x", "b")._replace(user_id="u2"),
        exposure("u1", "x", "b")._replace(item_id="y"),
        exposure("u1", "x", "b")._replace(token="anything"),
        exposure("u1", "x", "b", after_s=-3_600),
    ],
    ids=["forged", "of another user", "of another item", "no token", "before it was given"],
)
def test_a_forged_token_is_ignored_and_counted_as_refused(false: Exposure) -> None:
    found = read_interleaving(RANKER, [false, exposure("u3", "x", "a")], SIGNER, {"LIKE"})
    assert (found.credits, found.wins, found.refused) == ((1, 0), (1, 0), 1)


def test_tokens_of_other_experiments_are_not_counted_at_all() -> None:
    other = SIGNER.sign(Placement("other", "a", "u1", "x", 1, GIVEN_AT))
    renamed = SIGNER.sign(Placement("ranker", "c", "u1", "y", 1, GIVEN_AT))
    found = read_interleaving(
        RANKER,
        [Exposure(other, "u1", "x", "LIKE", GIVEN_AT), Exposure(renamed, "u1", "y", "LIKE", GIVEN_AT)],
        SIGNER,
        {"LIKE"},
    )
    assert (found.credits, found.users, found.refused) == ((0, 0), 0, 0)


def test_an_ab_test_counts_users_of_each_variant_with_anything_positive_since() -> None:
    (lists,) = parse_experiments(
        "[lists.variants.a]\nshare = 0.5\n[lists.variants.b]\nshare = 0.3\ndiversity = 0.5\n", ()
    )
    users = [f"user {number}" for number in range(500)]
    in_b = [user for user in users if (found := lists.variant_for(user)) and found.name == "b"]
    in_a = [user for user in users if (found := lists.variant_for(user)) and found.name == "a"]

    def did(user: str) -> InteractionArrays:
        # Every second user of a, and all of b, liked something in time.
        positive = user not in in_a or in_a.index(user) % 2 == 0
        return interactions(user, ([3, 1], [50.0, 200.0]) if positive else ([1, 3], [50.0, 200.0]))

    first, second = read_ab(lists, map(did, users), 100.0).variants
    assert (first.name, first.users, first.positive_users) == ("a", len(in_a), -(-len(in_a) // 2))
    assert (second.name, second.users, second.positive_users) == ("b", len(in_b), len(in_b))
    assert first.difference is None
    assert second.difference is not None
    assert second.difference.estimate == pytest.approx(1.0 - first.rate.estimate)
    assert second.difference.excludes_zero


@pytest.mark.parametrize(("variants", "found_different"), [("ab", ["b"]), ("abcdef", [])])
def test_a_difference_must_be_larger_among_more_comparisons(
    variants: str, found_different: list[str]
) -> None:
    (lists,) = parse_experiments(
        "".join(f"[lists.variants.{name}]\nshare = {1 / len(variants)}\n" for name in variants), ()
    )
    members: dict[str, list[str]] = {name: [] for name in variants}
    for number in range(4_000):
        if (variant := lists.variant_for(f"user {number}")) is not None:
            members[variant.name].append(f"user {number}")

    def did(name: str) -> Iterable[InteractionArrays]:
        # 400 users of each: 44 % of b liked something, 36 % of the others. Alone, that has a p-value of 0.02.
        for idx, user in enumerate(members[name][:400]):
            positive = idx < (176 if name == "b" else 144)
            yield interactions(user, ([3, 1], [50.0, 200.0 if positive else 60.0]))

    found = read_ab(lists, chain.from_iterable(map(did, variants)), 100.0)
    assert {each.users for each in found.variants} == {400}
    differences = {each.name: each.difference for each in found.variants if each.difference}
    assert [name for name, each in differences.items() if each.excludes_zero] == found_different
    assert found.variants[1].power is not None
    assert (found.variants[1].power.reached > 0.5) == bool(found_different)


def test_new_users_are_compared_by_their_numbers_as_idle_ones_are_unknown() -> None:
    (halves,) = parse_experiments(
        "[halves.variants.a]\nshare = 0.5\n[halves.variants.b]\nshare = 0.5\ndiversity = 0.5\n", ()
    )

    def came(number: int) -> InteractionArrays | None:
        # One in ten newcomers of a likes something, one in five of b; the others leave no row.
        user = f"user {number}"
        variant = halves.variant_for(user)
        assert variant is not None
        likes = number % (10 if variant.name == "a" else 5) == 0
        return interactions(user, ([1], [200.0])) if likes else None

    known = [interactions(f"known {number}", ([3], [50.0])) for number in range(400)]
    found = read_ab(halves, [*known, *filter(None, map(came, range(4_000)))], 100.0)
    first, second = found.variants
    assert first.users + second.users == 400
    assert (first.positive_users, second.positive_users) == (0, 0)
    assert second.new_positive_users > 1.5 * first.new_positive_users > 100
    assert found.new_p_value < 1e-6
    assert found.users_p_value > 0.001


def test_users_missing_from_a_variant_are_noticed() -> None:
    (halves,) = parse_experiments(
        "[halves.variants.a]\nshare = 0.5\n[halves.variants.b]\nshare = 0.5\ndiversity = 0.5\n", ()
    )
    names = (f"user {number}" for number in range(1_000))
    kept = [
        name
        for number, name in enumerate(names)
        if number % 3 or (variant := halves.variant_for(name)) is None or variant.name == "a"
    ]
    assert read_ab(halves, (interactions(name, ([2], [50.0])) for name in kept), 100.0).users_p_value < 0.001


def interactions(user: str, kinds_and_times: tuple[list[int], list[float]]) -> InteractionArrays:
    kinds, times = kinds_and_times
    return InteractionArrays(user, ["x"] * len(kinds), kinds, np.ones(len(kinds)), np.array(times), [])
