"""Sources give a training run all interactions up to now, if the catalog has some of their items."""

import time

import pytest

from recommender.data.interactions import InteractionKind
from recommender.errors import EvaluationError, NoInteractionsError
from recommender.evaluation.sources import Source, dataset_up_to_now, entry_of
from tests.support.evaluation import Row, interactions

NOW, LONG_AGO = time.time(), 1_000.0
ROWS: list[Row] = [
    ("u", "listed long ago", InteractionKind.LIKE, LONG_AGO),
    ("u", "gone", InteractionKind.LIKE, NOW),
    ("v", "kept", InteractionKind.WATCH, NOW),
]


def source(*item_ids: str, window_days: int = 90) -> Source:
    return Source("made up", interactions(ROWS), [entry_of(each, []) for each in item_ids], window_days)


def test_a_model_learns_also_from_items_that_have_left_the_catalog() -> None:
    assert dataset_up_to_now(source("kept")).item_ids == ["gone", "kept"]
    assert len(dataset_up_to_now(source("kept", window_days=0)).item_ids) == 3


def test_without_likes_and_watches_in_the_window_there_is_nothing_to_learn_from() -> None:
    before = Source("made up", interactions(ROWS[:1]), [entry_of("listed long ago", [])], 90)
    with pytest.raises(NoInteractionsError, match="no likes or watches"):
        dataset_up_to_now(before)


def test_a_catalog_without_any_item_of_the_window_is_one_of_another_app() -> None:
    with pytest.raises(EvaluationError, match=r"none of the 2 media .* is in the catalog"):
        dataset_up_to_now(source("listed long ago", "another"))
