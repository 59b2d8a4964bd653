"""One meaning of relevance in all splits of a run, for users who decide."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from recommender.data.interactions import InteractionKind
from recommender.evaluation.runner import Plan, evaluate
from recommender.evaluation.sources import Source
from recommender.evaluation.splits import SplitKind, make_splits, split_at
from recommender.evaluation.training_part import LEAST_LIKING_USERS, Relevant, choose_relevant, prepare
from recommender.evaluation.tuning import tune
from recommender.evaluation.variants import DEFAULT, POPULARITY
from tests.support.evaluation import ITEMS, Row, source_of

LIKE, WATCH, DISLIKE = InteractionKind.LIKE, InteractionKind.WATCH, InteractionKind.DISLIKE
# Each moment has a fifth of the rows up to it, so that the splits in time are at the last two.
HISTORY, CHOICE, TEST = 500.0, 800.0, 900.0
ENOUGH = LEAST_LIKING_USERS


def rows_of(users: int, first: int, count: int, at: float, *, liking: int = 0) -> list[Row]:
    """Return `count` items of each user at a moment; the first `liking` users like, others watch them."""
    return [
        (f"user{user:02}", ITEMS[(user + first + n) % 60], LIKE if user < liking else WATCH, at)
        for user in range(users)
        for n in range(count)
    ]


def source_with(*, liking: Sequence[int], users: int = 40) -> Source:
    """Return users with rows at each of the three moments, of whom some like them then, others watch."""
    moments = zip((HISTORY, CHOICE, TEST), (0, 10, 20), liking, strict=True)
    return source_of(
        [row for at, first, some in moments for row in rows_of(users, first, 4, at, liking=some)]
    )


def test_a_single_like_does_not_make_watches_irrelevant() -> None:
    source = source_with(liking=(1, 0, 0))
    part = prepare(source, split_at(source.interactions, TEST))
    assert all(user.stated_genres for user in part.users.contexts)
    assert part.relevant is Relevant.POSITIVES
    assert len(part.users.contexts) == 40


@pytest.mark.parametrize(
    ("at_choice", "at_test", "expected"),
    [
        (ENOUGH, ENOUGH, Relevant.LIKES),
        (ENOUGH - 1, 40, Relevant.POSITIVES),
        (40, ENOUGH - 1, Relevant.POSITIVES),
    ],
)
def test_likes_are_relevant_if_enough_users_have_one_in_both_splits(
    at_choice: int, at_test: int, expected: Relevant
) -> None:
    source = source_with(liking=(0, at_choice, at_test))
    splits = make_splits(source.interactions, SplitKind.TIME)
    assert choose_relevant(source, [splits.validation, splits.test]) is expected


def test_likes_of_users_without_a_history_do_not_make_likes_relevant() -> None:
    new = [(f"new{user}", ITEMS[user], LIKE, TEST) for user in range(40)]
    source = source_of([*rows_of(40, 0, 4, HISTORY), *rows_of(40, 20, 4, TEST), *new])
    assert choose_relevant(source, [split_at(source.interactions, TEST)]) is Relevant.POSITIVES


@pytest.mark.slow
def test_the_choice_and_the_test_of_a_search_agree_on_what_is_relevant() -> None:
    """A like button that was added between them must not change it."""
    source = source_with(liking=(0, 0, 40))
    splits = make_splits(source.interactions, SplitKind.TIME)
    found = tune(source, splits, ["popularity"], Plan(), lambda *_: None)
    assert found.test.description.relevant == Relevant.POSITIVES


def test_what_is_relevant_can_be_given() -> None:
    source = source_with(liking=(0, 0, 1))
    plan = Plan(relevant=Relevant.LIKES)
    found = evaluate(source, split_at(source.interactions, TEST), [POPULARITY, DEFAULT], plan)
    assert (found.description.relevant, found.description.test_users) == (Relevant.LIKES, 1)


@pytest.mark.parametrize(("excludes", "expected"), [(True, []), (False, [ITEMS[0]])])
def test_an_item_that_may_be_recommended_again_is_relevant_again(
    *, excludes: bool, expected: list[str]
) -> None:
    again = [("listener", ITEMS[0], WATCH, HISTORY), ("listener", ITEMS[0], WATCH, TEST)]
    source = source_of([*again, *rows_of(5, 1, 4, HISTORY), *rows_of(5, 11, 4, TEST)])
    found = replace(source.interactions, excluding=np.full(len(source.interactions.times), excludes))
    part = prepare(replace(source, interactions=found), split_at(found, TEST), Relevant.POSITIVES)
    relevant = {
        user.history.positive_ids[0]: [part.index.item_ids[item] for item in items.tolist()]
        for user, items in zip(part.users.contexts, part.users.relevant, strict=True)
    }
    assert relevant.get(ITEMS[0], []) == expected


@pytest.mark.parametrize(
    ("before", "later", "expected"),
    [
        ([DISLIKE], WATCH, []),
        ([DISLIKE], LIKE, [ITEMS[0]]),
        ([DISLIKE, LIKE], WATCH, [ITEMS[0]]),
        ([LIKE, DISLIKE], WATCH, []),
    ],
)
def test_a_watch_after_a_dislike_is_not_relevant(
    before: list[InteractionKind], later: InteractionKind, expected: list[str]
) -> None:
    """Also if a dislike does not exclude the item."""
    own = [("viewer", ITEMS[0], kind, HISTORY + moment) for moment, kind in enumerate(before)]
    own += [("viewer", ITEMS[1], WATCH, HISTORY), ("viewer", ITEMS[0], later, TEST)]
    own += [("viewer", ITEMS[2], WATCH, TEST)]
    source = source_of([*own, *rows_of(5, 3, 4, HISTORY), *rows_of(5, 13, 4, TEST)])
    found = replace(source.interactions, excluding=np.zeros(len(source.interactions.times), dtype=np.bool_))
    part = prepare(replace(source, interactions=found), split_at(found, TEST), Relevant.POSITIVES)
    (relevant,) = (
        {part.index.item_ids[item] for item in items.tolist()}
        for user, items in zip(part.users.contexts, part.users.relevant, strict=True)
        if user.user_id == "viewer"
    )
    assert relevant == {*expected, ITEMS[2]}


@pytest.mark.parametrize(("sample", "with_history"), [(6, 6), (10, 8)])
def test_a_sample_of_users_is_first_of_those_who_decide(sample: int, with_history: int) -> None:
    new = [(f"new{user:02}", ITEMS[user], LIKE, TEST) for user in range(40)]
    source = source_of([*rows_of(8, 0, 4, HISTORY), *rows_of(8, 20, 4, TEST), *new])
    part = prepare(source, split_at(source.interactions, TEST), Relevant.POSITIVES, sample)
    assert (len(part.users.contexts), int((part.users.history_lengths > 0).sum())) == (sample, with_history)
