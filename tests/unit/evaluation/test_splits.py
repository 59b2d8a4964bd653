"""Splits keep the test part unknown: rows added to it change nothing that is trained on."""

import numpy as np
import pytest
from numpy.typing import NDArray

from recommender.data.interactions import InteractionKind
from recommender.errors import EvaluationError
from recommender.evaluation.sources import Source, entry_of
from recommender.evaluation.splits import SplitKind, iso_time, make_splits, split_at, splits_of
from recommender.evaluation.training_part import Relevant, TrainingPart, prepare
from tests.support.evaluation import ITEMS, Row, interactions, source_of


def made_up() -> list[Row]:
    generator = np.random.default_rng(7)
    return [
        (
            f"user{user}",
            ITEMS[item],
            InteractionKind(int(generator.integers(1, 4))),
            float(generator.integers(0, 1_000)),
        )
        for user in range(12)
        for item in generator.permutation(len(ITEMS))[:15]
    ]


def known_of(part: TrainingPart) -> object:
    """Return all that a model or a ranking can know."""
    data, index = part.data, part.index
    return (
        list(data.user_ids),
        list(data.item_ids),
        data.item_idx.tolist(),
        data.values.tolist(),
        data.times.tolist(),
        index.version,
        {user.user_id: (user.stated_genres, user.history) for user in part.users.contexts},
    )


def test_rows_at_the_moment_or_later_change_nothing_that_is_trained_on() -> None:
    rows = made_up()
    planted: list[Row] = [
        (f"user{user}", item, kind, time)
        for user in range(12)
        for item in ITEMS[:10]
        for kind, time in (
            (InteractionKind.DISLIKE, 700.0),
            (InteractionKind.LIKE, 900.0),
            (InteractionKind.OTHER, 1_500.0),
        )
    ]
    planted.append(("planted", ITEMS[0], InteractionKind.LIKE, 700.0))
    parts = [
        prepare(source, split_at(source.interactions, 700.0))
        for source in (source_of(rows), source_of([*rows, *planted]))
    ]
    first, second = (known_of(part) for part in parts)
    assert isinstance(first, tuple)
    assert isinstance(second, tuple)
    assert first[:-1] == second[:-1]
    for user_id, known in first[-1].items():
        assert second[-1].get(user_id, known) == known
    assert "planted" in second[-1]


def test_a_row_before_the_moment_is_trained_on() -> None:
    rows = made_up()
    planted: Row = ("planted", ITEMS[0], InteractionKind.LIKE, 699.0)
    parts = [
        prepare(source, split_at(source.interactions, 700.0))
        for source in (source_of(rows), source_of([*rows, planted]))
    ]
    assert known_of(parts[0]) != known_of(parts[1])


@pytest.mark.parametrize("kind", list(SplitKind))
def test_validation_lies_within_the_training_part_of_the_test(kind: SplitKind) -> None:
    rows = interactions(made_up())
    splits = make_splits(rows, kind)
    assert len(splits.test.train.times) + len(splits.test.test.times) == len(rows.times)
    assert len(splits.validation.train.times) + len(splits.validation.test.times) == len(
        splits.test.train.times
    )


def test_a_split_in_time_tests_only_later_interactions() -> None:
    splits = make_splits(interactions(made_up()), SplitKind.TIME)
    for split in (splits.validation, splits.test):
        assert split.moment is not None
        assert split.train.times.max() < split.moment <= split.test.times.min()


def test_the_last_fifth_of_a_history_of_at_least_five_is_tested() -> None:
    rows = [("u", ITEMS[number], InteractionKind.LIKE, float(number)) for number in range(10)]
    rows += [("v", ITEMS[number], InteractionKind.LIKE, float(number)) for number in range(4)]
    split = make_splits(interactions(rows), SplitKind.LAST_PART).test
    assert [split.test.item_ids[item] for item in split.test.item_idx] == ITEMS[8:10]


def test_the_last_one_of_each_user_with_more_is_left_out() -> None:
    rows = [("u", ITEMS[number], InteractionKind.LIKE, float(number)) for number in range(3)]
    rows += [
        ("v", ITEMS[5], InteractionKind.LIKE, 0.0),
        ("w", ITEMS[6], InteractionKind.LIKE, 1.0),
        ("w", ITEMS[7], InteractionKind.LIKE, 0.0),
    ]
    splits = make_splits(interactions(rows), SplitKind.LEAVE_LAST_OUT)
    assert [splits.test.test.item_ids[item] for item in splits.test.test.item_idx] == [
        ITEMS[2],
        ITEMS[6],
    ]


def test_relevant_items_are_liked_last_and_new_to_the_user() -> None:
    rows: list[Row] = [
        ("u", ITEMS[0], InteractionKind.LIKE, 1.0),
        ("u", ITEMS[0], InteractionKind.LIKE, 10.0),
        ("u", ITEMS[1], InteractionKind.LIKE, 11.0),
        ("u", ITEMS[2], InteractionKind.WATCH, 12.0),
        ("u", ITEMS[3], InteractionKind.LIKE, 13.0),
        ("u", ITEMS[3], InteractionKind.DISLIKE, 14.0),
        ("u", "deleted", InteractionKind.LIKE, 15.0),
    ]
    source = source_of(rows)
    part = prepare(source, split_at(source.interactions, 10.0), Relevant.LIKES)
    (relevant,) = part.users.relevant
    assert [part.index.item_ids[item] for item in relevant] == [ITEMS[1]]


FUTURE = 4e9


@pytest.mark.parametrize("kind", list(SplitKind))
@pytest.mark.parametrize("times", [np.linspace(0, 999, 40), np.full(40, FUTURE)], ids=["known", "future"])
def test_rows_that_only_exclude_move_no_split(kind: SplitKind, times: NDArray[np.float64]) -> None:
    """For each row that counts there are several impressions, or rows more than a day ahead."""
    rows = made_up()
    others = [
        (f"user{user}", ITEMS[number % 60], InteractionKind.OTHER, float(time))
        for user in range(12)
        for number, time in enumerate(times)
    ]
    alone, among_others = (make_splits(interactions(each), kind) for each in (rows, [*rows, *others]))
    for split, expected in (
        (among_others.test, alone.test),
        (among_others.validation, alone.validation),
    ):
        assert (split.moment, split.end) == (expected.moment, expected.end)
        counted = split.test.select(split.test.kinds != InteractionKind.OTHER)
        assert sorted(zip(counted.user_idx, counted.times, strict=True)) == sorted(
            zip(expected.test.user_idx, expected.test.times, strict=True)
        )


@pytest.mark.parametrize("kind", list(SplitKind))
def test_what_was_shown_before_the_test_excludes_and_later_rows_do_not(kind: SplitKind) -> None:
    rows: list[Row] = [("u", ITEMS[number], InteractionKind.LIKE, float(number)) for number in range(10)]
    shown: list[Row] = [
        ("u", ITEMS[20], InteractionKind.OTHER, 0.0),
        ("u", ITEMS[9], InteractionKind.OTHER, 9.0),
    ]
    train = make_splits(interactions([*rows, *shown]), kind).test.train
    others = train.select(train.kinds == InteractionKind.OTHER)
    assert [train.item_ids[item] for item in others.item_idx] == [ITEMS[20]]


def test_if_most_rows_are_of_the_first_moment_the_split_is_at_the_next() -> None:
    rows: list[Row] = [(f"user{n}", ITEMS[n % 60], InteractionKind.LIKE, 100.0) for n in range(85)]
    rows += [(f"user{n}", ITEMS[n % 60 + 1], InteractionKind.LIKE, 200.0 + n % 3) for n in range(15)]
    assert make_splits(interactions(rows), SplitKind.TIME).test.moment == 200.0


def test_the_test_is_the_last_fifth_of_the_window_however_long_the_history_is() -> None:
    # One like a day for 1,000 days. The windows of both splits end where the tested time does.
    days = [(f"user{n % 60}", ITEMS[n % 60], InteractionKind.LIKE, 86_400.0 * n) for n in range(1_000)]
    splits = make_splits(interactions(days), SplitKind.TIME, window_days=50)
    assert [len(split.test.times) for split in (splits.test, splits.validation)] == [11, 11]
    assert splits.validation.test.times.max() < splits.test.test.times.min()
    assert len(make_splits(interactions(days), SplitKind.TIME).test.test.times) == 200


def test_the_test_is_the_last_fifth_of_what_happened_with_items_that_are_still_there() -> None:
    # Each item is liked for two days, and only the last 20 of 100 items are left. The likes of all items
    # would be split at day 80, when none of these was there.
    rows: list[Row] = [
        (f"user{n % 7}", f"item{day + born:03}", InteractionKind.LIKE, 86_400.0 * day)
        for day in range(100)
        for born in (0, 1)
        for n in range(5)
    ]
    source = Source("expiring", interactions(rows), [entry_of(f"item{n:03}", []) for n in range(81, 101)])
    splits = splits_of(source, SplitKind.TIME)
    assert splits.test.moment == 86_400.0 * 96
    assert splits.validation.moment == 86_400.0 * 92
    assert splits_of(source, SplitKind.TIME, 86_400.0 * 50).test.moment == 86_400.0 * 50


def test_interactions_with_items_that_are_all_gone_cannot_be_split_in_time() -> None:
    source = Source("gone", interactions(made_up()), [entry_of("another", [])])
    with pytest.raises(EvaluationError, match="is of an item in the catalog"):
        splits_of(source, SplitKind.TIME)


def test_rows_of_one_moment_cannot_be_split_in_time() -> None:
    rows = [("u", ITEMS[number], InteractionKind.LIKE, 1.0) for number in range(10)]
    with pytest.raises(EvaluationError, match="are of one moment"):
        make_splits(interactions(rows), SplitKind.TIME)


def test_a_test_needs_no_validation_part() -> None:
    rows = [("u", ITEMS[number], InteractionKind.LIKE, float(number > 5)) for number in range(10)]
    splits = make_splits(interactions(rows), SplitKind.TIME, 1.0)
    assert len(splits.test.test.times) == 4
    with pytest.raises(EvaluationError):
        assert splits.validation


def test_a_split_that_leaves_nothing_says_so() -> None:
    rows = interactions(made_up())
    with pytest.raises(EvaluationError, match="nothing to train on"):
        split_at(rows, -1.0)
    with pytest.raises(EvaluationError, match="nothing to test on"):
        split_at(rows, 5_000.0)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.5, "1970-01-01T00:00:00.500000+00:00"),
        (1e13, "318857-05-20T17:46:40+00:00"),
        (-1e12, "-29719-04-05T22:13:20+00:00"),
    ],
)
def test_every_moment_can_be_shown(seconds: float, expected: str) -> None:
    assert iso_time(seconds) == expected
