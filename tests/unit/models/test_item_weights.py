"""What item-based models learn is what their formulas say, on data small enough to work out by hand."""

import math

import numpy as np
import pytest

from recommender.deadline import Deadline
from recommender.models.ease import Ease, EaseConfig
from recommender.models.item_knn import ItemKnn, ItemKnnConfig
from recommender.models.item_weights import ItemWeights, ItemWeightsModel, largest_weights
from tests.support.datasets import context, dataset, index_of

DATA = dataset({"u": ["a", "b"], "v": ["a", "b", "c"], "w": ["c", "d"], "x": ["a"]})
INTERACTIONS = np.array([[1, 1, 0, 0], [1, 1, 1, 0], [0, 0, 1, 1], [1, 0, 0, 0]], dtype=np.float64)
ITEMS = ("a", "b", "c", "d")


def matrix(model: ItemWeightsModel[ItemKnnConfig] | ItemWeightsModel[EaseConfig]) -> np.ndarray:
    """The weights from rows to columns, in the order of `ITEMS`."""
    found: ItemWeights = model.learn(DATA)
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
    np.testing.assert_allclose(matrix(Ease(EaseConfig(regularisation=2.0))), expected, atol=1e-6)


def test_ease_is_the_best_regression_without_the_diagonal() -> None:
    """No other weights of the column give a smaller error plus the penalty."""
    weights = matrix(Ease(EaseConfig(regularisation=2.0)))
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
    model = Ease(EaseConfig(regularisation=2.0, items=2))
    model.fit(DATA)
    assert sorted(model.items.item_ids) == ["a", "b"]
    (scores,) = model.score([context("z", ["c"])], index_of(DATA), Deadline.after(1))
    assert not scores.values.any()


def test_the_weights_furthest_from_0_are_kept_with_their_signs() -> None:
    kept = largest_weights(np.array([0.1, -0.5, 0.0, 0.5, 0.2]), np.arange(5), 3)
    assert kept.source_idx.tolist() == [1, 3, 4]
    assert kept.weights.tolist() == pytest.approx([-0.5, 0.5, 0.2])
    assert largest_weights(np.zeros(3), np.arange(3), 2).source_idx.size == 0
