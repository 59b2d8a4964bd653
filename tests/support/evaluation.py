"""Made-up interactions with repeated tastes, and a comparison on them."""

import functools
from collections.abc import Mapping, Sequence

import numpy as np

from recommender.data.interactions import InteractionKind, Interactions, interactions_of
from recommender.databases.engagement_db import InteractionArrays
from recommender.evaluation.results import Evaluation
from recommender.evaluation.runner import Plan, evaluate
from recommender.evaluation.sources import Source, entry_of
from recommender.evaluation.splits import SplitKind, make_splits
from recommender.evaluation.variants import compared_variants

Row = tuple[str, str, InteractionKind, float]
# Half of them for each of two kinds of users.
ITEMS = [f"item{number:02}" for number in range(60)]


def interactions(rows: Sequence[Row]) -> Interactions:
    """Return interactions of value 1."""
    return interactions_of(
        InteractionArrays(user, [item], [kind], np.ones(1), np.array([time]), [True])
        for user, item, kind, time in rows
    )


def source_of(rows: Sequence[Row]) -> Source:
    """Return a source of these interactions, with a catalog of `ITEMS`."""
    entries = [entry_of(item, [f"genre{number % 4}"]) for number, item in enumerate(ITEMS)]
    return Source("made up <&>", interactions(rows), entries)


def two_tastes(users: int = 60) -> Source:
    """Return users who mostly like items of one half of the catalog."""
    generator = np.random.default_rng(5)
    rows: list[Row] = []
    for user in range(users):
        count = int(generator.integers(8, 25))
        half = 30 * (user % 2)
        rows += [
            (f"user{user:02}", ITEMS[half + item], InteractionKind.LIKE, float(generator.integers(0, 1_000)))
            for item in generator.permutation(30)[:count]
        ]
    return source_of(rows)


def histories_of_lengths(lengths: Mapping[str, int]) -> Source:
    """Return users of two tastes with these numbers of likes, and one more like at the end."""
    generator = np.random.default_rng(7)
    rows: list[Row] = []
    for number, (user, length) in enumerate(lengths.items()):
        items = generator.permutation(30)[: length + 1] + 30 * (number % 2)
        rows += [(user, ITEMS[item], InteractionKind.LIKE, float(time)) for time, item in enumerate(items)]
    return source_of(rows)


@functools.cache
def small_evaluation() -> Evaluation:
    """Return a comparison of two models on these interactions."""
    source = two_tastes()
    plan = Plan(split=SplitKind.LAST_PART)
    split = make_splits(source.interactions, plan.split).test
    return evaluate(source, split, compared_variants(["item_knn", "neighbours"]), plan)
