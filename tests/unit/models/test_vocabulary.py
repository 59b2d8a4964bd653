"""A model finds its items by id, and their positions in any catalog index."""

import numpy as np

from recommender.entities import History
from recommender.models.vocabulary import ItemVocabulary
from tests.support.datasets import dataset, index_of


def test_known_items_have_a_position_and_unknown_ones_have_none() -> None:
    items = ItemVocabulary(["b", "a"])
    assert items.indices_of(["a", "x", "b", "a"]).tolist() == [1, -1, 0, 1]
    assert (items.index_of("b"), items.index_of("x"), len(items)) == (0, -1, 2)
    assert items.indices_of([]).dtype == np.int64


def test_positions_are_those_of_the_index_asked_with() -> None:
    items = ItemVocabulary(["b", "a", "gone"])
    first = index_of(dataset({"u": ["a"], "v": ["a", "b"]}))
    second = index_of(dataset({"u": ["b"], "v": ["a", "b"]}))
    for index in (first, second, first):
        positions = items.catalog_idx_in(index)
        assert [index.item_ids[position] for position in positions[:2].tolist()] == ["b", "a"]
        assert positions[2] == -1


def test_a_history_searched_in_an_index_is_found_as_by_its_ids() -> None:
    items = ItemVocabulary(["b", "only the model has it", "a", "deleted"])
    index = index_of(dataset({"u": ["a", "deleted"], "v": ["a", "b", "c"]}), without=["deleted"])
    history = ["c", "a", "unknown", "deleted", "only the model has it", "b", "a"]
    found = index.locate_history(History(seen_ids=["b"], positive_ids=history))
    assert found.positive_idx[3] >= len(index.item_ids)
    assert (
        items.indices_of_history(index, history, found.positive_idx).tolist()
        == items.indices_of(history).tolist()
    )
    assert items.indices_of_history(index, [], found.positive_idx[:0]).dtype == np.int64
    in_catalog = [idx for idx in index.locate(history).tolist() if idx >= 0]
    assert index.catalog_only(found.positive_idx).tolist() == in_catalog
    assert found.seen_idx.tolist() == index.locate(["b"]).tolist()


def test_the_known_share_is_of_the_models_items() -> None:
    index = index_of(dataset({"u": ["a", "b", "c"]}))
    assert ItemVocabulary(["a", "x", "y", "z"]).known_share(index) == 0.25
    assert ItemVocabulary([]).known_share(index) == 0.0


def test_the_covered_share_is_of_the_users_of_the_catalogs_items() -> None:
    index = index_of(dataset({"u": ["a", "b"], "v": ["a"], "w": ["a", "gone"]}), without=["gone"])
    assert ItemVocabulary(["a", "gone", "x", "y"]).covered_share(index) == 0.75
    assert ItemVocabulary(["x"]).covered_share(index) == 0.0
    assert ItemVocabulary(["a"]).covered_share(index_of(dataset({"u": []}), others=["a"])) == 0.0
