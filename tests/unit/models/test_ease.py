"""ease learns the closed form by each way to compute it, within its memory limit."""

import dataclasses

import numpy as np
import pytest

from recommender.data.dataset import Dataset
from recommender.deadline import Deadline
from recommender.errors import TrainingMemoryError
from recommender.models import ease as ease_module
from recommender.models.ease import Ease, EaseConfig
from recommender.models.fitting import UNBOUNDED, Fitting
from recommender.models.weight_arrays import ItemWeights
from tests.support.datasets import context, dataset, index_of

LAMBDA = 2.0
MANY_USERS, FEW_USERS = (60, 30), (20, 50)


def made_up(users: int, items: int) -> Dataset:
    """Return random histories, half of them likes. The same users like items 1 and 2."""
    rng = np.random.default_rng(7)
    histories = {}
    for user in range(users):
        drawn = rng.permutation(items)[: rng.integers(3, 12)].tolist()
        others = [item for item in drawn if item not in (1, 2)]
        both = [1, 2] if 1 in drawn else []
        histories[f"u{user:03}"] = [f"i{item:03}" for item in [*others, *both]]
    data = dataset(histories)
    twins = np.isin(data.item_idx, [data.item_ids.index(name) for name in ("i001", "i002")])
    return dataclasses.replace(data, liked=twins | (rng.random(len(data.liked)) < 0.5))


def dense(weights: ItemWeights) -> np.ndarray:
    """Return weights from rows to columns. Assert that both index directions agree."""
    items = len(weights.item_ids)
    by_source, by_target = np.zeros((2, items, items))
    for item in range(items):
        targets, values = weights.of_source(item)
        by_source[item, targets] = values
        sources, values = weights.of_target(item)
        by_target[sources, item] = values
    np.testing.assert_array_equal(by_source, by_target)
    return by_source


def expected(data: Dataset, watch_value: float) -> np.ndarray:
    """Return the closed form by a direct inverse in float64."""
    matrix = np.zeros((len(data.user_ids), len(data.item_ids)))
    matrix[data.user_idx, data.item_idx] = np.where(data.liked, 1.0, watch_value)
    inverse = np.linalg.inv(matrix.T @ matrix + LAMBDA * np.eye(matrix.shape[1]))
    weights = -inverse / inverse.diagonal()
    np.fill_diagonal(weights, 0.0)
    return np.asarray(weights)


@pytest.mark.parametrize("watch_value", [0.5, 1.0])
@pytest.mark.parametrize("shape", [MANY_USERS, FEW_USERS])
def test_weights_equal_the_direct_inverse_through_users_and_items(
    shape: tuple[int, int], watch_value: float
) -> None:
    data = made_up(*shape)
    model = Ease(EaseConfig(regularisation=LAMBDA, min_users=1, watch_value=watch_value))
    np.testing.assert_allclose(dense(model.learn(data, UNBOUNDED)), expected(data, watch_value), atol=1e-6)


@pytest.mark.parametrize("shape", [MANY_USERS, FEW_USERS])
def test_items_with_the_same_users_get_the_same_weights_to_the_last_bit(shape: tuple[int, int]) -> None:
    data = made_up(*shape)
    weights = dense(Ease(EaseConfig(regularisation=LAMBDA, min_users=1)).learn(data, UNBOUNDED))
    twins = [data.item_ids.index(name) for name in ("i001", "i002")]
    others = np.delete(weights, twins, axis=0)[:, twins]
    assert others.any()
    np.testing.assert_array_equal(others[:, 0], others[:, 1])


def test_blocks_of_rows_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for shape in (MANY_USERS, FEW_USERS):
        data = made_up(*shape)
        model = Ease(EaseConfig(regularisation=LAMBDA, min_users=1))
        whole = dense(model.learn(data, UNBOUNDED))
        with monkeypatch.context() as patched:
            patched.setattr(ease_module, "_BLOCK_CELLS", 100)
            np.testing.assert_allclose(dense(model.learn(data, UNBOUNDED)), whole, atol=1e-6)


def test_a_watch_counts_half_a_like_or_as_configured() -> None:
    data = made_up(*MANY_USERS)
    index = index_of(data)
    liked = context("z", ["i003"])
    watched = dataclasses.replace(liked, history=dataclasses.replace(liked.history, positive_liked=[False]))
    model = Ease(EaseConfig(regularisation=LAMBDA, min_users=1))
    model.fit(data)
    for_like, for_watch = (model.sums(model.known_history(who, index)) for who in (liked, watched))
    assert for_like.any()
    np.testing.assert_allclose(for_watch, for_like / 2)
    without = Ease(EaseConfig(regularisation=LAMBDA, min_users=1, watch_value=0.0))
    without.fit(data)
    assert not without.score([watched], index, Deadline.after(1))[0].values.any()
    assert without.score([liked], index, Deadline.after(1))[0].values.any()


def test_items_with_too_few_users_are_not_learned() -> None:
    data = dataset({f"u{n}": ["a", "b", "c"][: 1 + n % 3] for n in range(12)})
    model = Ease(EaseConfig(min_users=8))
    model.fit(data)
    assert list(model.items.item_ids) == ["a", "b"]


def test_if_no_item_has_enough_users_those_with_the_most_are_learned() -> None:
    model = Ease(EaseConfig(min_users=5))
    model.fit(dataset({"u": ["a", "b"], "v": ["a", "b", "c"]}))
    assert list(model.items.item_ids) == ["a", "b"]


def test_with_little_memory_the_most_popular_items_are_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ease_module, "_FEWEST_ITEMS", 5)
    data = made_up(*MANY_USERS)
    model = Ease(EaseConfig(min_users=1))
    whole, least = model.estimate(data).memory_bytes, model.estimate(data).least_bytes
    model.fit(data, Fitting(memory_bytes=(whole + least) // 2))
    users = np.bincount(data.item_idx)
    learned = [data.item_ids.index(item) for item in model.items.item_ids]
    assert 5 < len(learned) < len(data.item_ids)
    assert users[learned].min() >= np.delete(users, learned).max()
    with pytest.raises(TrainingMemoryError):
        model.fit(data, Fitting(memory_bytes=least - 1))


def test_the_requested_number_of_items_is_learned_or_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ease_module, "_FEWEST_ITEMS", 5)
    data = made_up(*MANY_USERS)
    model = Ease(EaseConfig(min_users=1, items=20))
    needed = model.estimate(data).least_bytes
    model.fit(data, Fitting(memory_bytes=needed))
    assert len(model.items) == 20
    with pytest.raises(TrainingMemoryError):
        model.fit(data, Fitting(memory_bytes=needed - 1))
