"""Item-based models learn the weights of their formulas, on data that is small enough to compute by hand."""

import math

import numpy as np
import pytest

from recommender.deadline import Deadline
from recommender.models.ease import Ease, EaseConfig
from recommender.models.fitting import UNBOUNDED
from recommender.models.item_knn import ItemKnn, ItemKnnConfig
from recommender.models.item_weights import ItemWeightsModel
from recommender.models.weight_arrays import (
    ItemWeights,
    TargetWeights,
    largest_of_rows,
    largest_weights,
    weights_by_source,
)
from tests.support.datasets import ALL_TIME, context, dataset, index_of

DATA = dataset({"u": ["a", "b"], "v": ["a", "b", "c"], "w": ["c", "d"], "x": ["a"]})
INTERACTIONS = np.array([[1, 1, 0, 0], [1, 1, 1, 0], [0, 0, 1, 1], [1, 0, 0, 0]], dtype=np.float64)
ITEMS = ("a", "b", "c", "d")


def matrix(model: ItemWeightsModel[ItemKnnConfig] | ItemWeightsModel[EaseConfig]) -> np.ndarray:
    """Return the weights from rows to columns, in the order of `ITEMS`."""
    found: ItemWeights = model.learn(DATA, UNBOUNDED)
    order = [ITEMS.index(item_id.decode()) for item_id in found.item_ids.tolist()]
    weights = np.zeros((len(ITEMS), len(ITEMS)))
    for source in range(len(found.item_ids)):
        for entry in range(found.source_start[source], found.source_start[source + 1]):
            weights[order[source], order[found.target_idx[entry]]] = found.weights[entry]
    return weights


def test_item_knn_is_the_cosine_with_shrinkage() -> None:
    weights = matrix(ItemKnn(ItemKnnConfig(shrinkage=0.5)))
    assert weights[0, 1] == pytest.approx(2 / (math.sqrt(3 * 2) + 0.5))
    assert weights[2, 3] == pytest.approx(1 / (math.sqrt(2 * 1) + 0.5))
    assert (weights == weights.T).all()
    assert weights[0, 3] == weights[0, 0] == 0


def test_item_knn_keeps_the_most_similar_of_each_item() -> None:
    weights = matrix(ItemKnn(ItemKnnConfig(shrinkage=0.0, neighbours=1)))
    assert (weights > 0).sum(axis=0).tolist() == [1, 1, 1, 1]
    assert weights[1, 0] > 0 < weights[0, 1]


def test_ease_is_the_closed_form() -> None:
    inverse = np.linalg.inv(INTERACTIONS.T @ INTERACTIONS + 2.0 * np.eye(4))
    expected = -inverse / inverse.diagonal()
    np.fill_diagonal(expected, 0.0)
    np.testing.assert_allclose(matrix(Ease(EaseConfig(min_users=1, regularisation=2.0))), expected, atol=1e-6)


def test_ease_is_the_best_regression_without_the_diagonal() -> None:
    """No other weights of the column give a smaller error plus the penalty."""
    weights = matrix(Ease(EaseConfig(min_users=1, regularisation=2.0)))
    rng = np.random.default_rng(1)

    def loss(column: int, candidate: np.ndarray) -> float:
        error = INTERACTIONS[:, column] - INTERACTIONS @ candidate
        return float(error @ error + 2.0 * candidate @ candidate)

    for column in range(len(ITEMS)):
        best = loss(column, weights[:, column])
        for _ in range(50):
            step = rng.normal(scale=0.01, size=len(ITEMS))
            step[column] = 0.0
            assert loss(column, weights[:, column] + step) > best


def test_ease_leaves_out_all_but_the_most_popular_items() -> None:
    model = Ease(EaseConfig(min_users=1, regularisation=2.0, items=2))
    model.fit(DATA)
    assert sorted(model.items.item_ids) == ["a", "b"]
    (scores,) = model.score([context("z", ["c"])], index_of(DATA), Deadline.after(1))
    assert not scores.values.any()


def test_negative_contributions_and_deleted_items_are_no_reasons() -> None:
    data = dataset(
        {f"u{n}": ["a", "c"] if n % 3 else ["a", "b"] for n in range(30)}
        | {"v": ["b", "c", "d"], "w": ["d", "a"]}
    )
    model = Ease(EaseConfig(min_users=1, regularisation=0.5))
    model.fit(data)
    index = index_of(data)
    target = index.locate(["c"])
    who = context("z", ["b", "a", "d"])
    (scores,) = model.score([who], index, Deadline.after(1))
    found = model.explain(who, scores, target, index, 3).contributions[0].of_others(int(target[0]), 3)
    weights = {
        index.item_ids[idx]: value for idx, value in zip(found.item_idx, found.values.tolist(), strict=True)
    }
    assert weights
    assert min(weights.values()) > 0
    assert set(weights) < {"a", "b", "d"}
    # Two of the three largest are not in the catalog any more. The third is still named.
    knn = ItemKnn(ItemKnnConfig(shrinkage=0.0))
    knn.fit(data)
    smaller = index_of(dataset({"u": ["c", "d", "e"]}))
    (scores,) = knn.score([who], smaller, Deadline.after(1))
    told = knn.explain(who, scores, smaller.locate(["c"]), smaller, 1).contributions[0]
    assert told.item_idx.tolist() == smaller.locate(["d"]).tolist()


def test_only_the_latest_items_of_a_history_count() -> None:
    model = ItemKnn(ItemKnnConfig(history=1))
    model.fit(DATA)
    index = index_of(DATA)
    latest, both = (
        model.score([context("z", items)], index, Deadline.after(1))[0] for items in (["d"], ["d", "a"])
    )
    assert both.values.tolist() == latest.values.tolist()


def test_items_similar_to_a_rare_item_include_popular_ones() -> None:
    """The popular items of the rare one's users are similar to it, but it is not among their nearest."""
    common = {f"u{n}": ["p", f"q{n % 7}"] for n in range(60)}
    data = dataset(common | {"r": ["rare", "p"]})
    model = ItemKnn(ItemKnnConfig(shrinkage=0.0, neighbours=1))
    model.fit(data)
    index = index_of(data)
    similar = model.similar_items("rare", index, ALL_TIME, Deadline.after(1))
    assert [index.item_ids[idx] for idx in similar.item_idx.tolist()] == ["p"]


def test_similarities_are_above_0_and_at_most_1_whatever_the_weights() -> None:
    none = TargetWeights(np.empty(0, dtype=np.int32), np.empty(0, dtype=np.float32))
    to_a = TargetWeights(np.array([1, 2, 3], dtype=np.int32), np.array([1.5, -0.5, 0.25], dtype=np.float32))
    model = Ease(EaseConfig())
    model.use(weights_by_source(ITEMS, [to_a, none, none, none]))
    index = index_of(DATA)
    similar = model.similar_items("a", index, ALL_TIME, Deadline.after(1))
    assert similar.item_idx.tolist() == index.locate(["b", "d"]).tolist()
    assert similar.similarities.tolist() == [1.0, 0.25]


def test_the_weights_furthest_from_0_are_kept_with_their_signs() -> None:
    kept = largest_weights(np.array([0.1, -0.5, 0.0, 0.5, 0.2]), np.arange(5), 3)
    assert kept.source_idx.tolist() == [1, 3, 4]
    assert kept.weights.tolist() == pytest.approx([-0.5, 0.5, 0.2])
    assert largest_weights(np.zeros(3), np.arange(3), 2).source_idx.size == 0


def test_of_equal_absolute_weights_the_first_are_kept_in_every_row() -> None:
    rows = np.array([[0.3, -0.3, 0.3, 0.3], [0.0, 0.1, 0.0, -0.2], [0.0, 0.0, 0.0, 0.0]])
    kept = largest_of_rows(rows, 2)
    assert [each.source_idx.tolist() for each in kept] == [[0, 1], [1, 3], []]
    assert [each.weights.tolist() for each in kept] == [
        pytest.approx([0.3, -0.3]),
        pytest.approx([0.1, -0.2]),
        [],
    ]
