"""als folds users in by its equations, and explains a score by the parts of the solution."""

from pathlib import Path

import numpy as np
import pytest

from recommender.deadline import Deadline
from recommender.errors import TrainingMemoryError
from recommender.models.als import Als, AlsConfig
from recommender.models.fitting import Fitting
from tests.support.datasets import context, dataset, index_of

HISTORIES = {f"user {number}": [f"item {(number + k * k) % 9}" for k in range(3)] for number in range(12)}
CONFIG = AlsConfig(factors=3, regularisation=0.5, alpha=2.0, iterations=20)


@pytest.fixture(scope="module")
def model() -> Als:
    model = Als(CONFIG)
    model.fit(dataset(HISTORIES))
    return model


def embeddings(model: Als, folder: Path) -> tuple[list[str], np.ndarray]:
    """Return the ids and factors of the items that the model saves."""
    model.save(folder)
    ids = [item_id.decode() for item_id in np.load(folder / "item_ids.npy").tolist()]
    return ids, np.load(folder / "factors.npy").astype(np.float64)


def test_scores_are_those_of_the_equations(model: Als, tmp_path: Path) -> None:
    """C is 2 for the user's items and 1 for others: x = (Yᵀ C Y + 0.5 I)⁻¹ Yᵀ C p."""
    ids, factors = embeddings(model, tmp_path)
    liked = np.isin(ids, ["item 1", "item 4"]).astype(np.float64)
    confidence = np.diag(1.0 + liked)
    user = np.linalg.solve(factors.T @ confidence @ factors + 0.5 * np.eye(3), factors.T @ confidence @ liked)
    index = index_of(dataset(HISTORIES))
    (scores,) = model.score([context("x", ["item 4", "item 1"])], index, Deadline.after(60))
    assert scores.item_idx is not None
    found = [index.item_ids[idx] for idx in scores.item_idx]
    expected = dict(zip(ids, (factors @ user).tolist(), strict=True))
    assert (scores.values / scores.steps).tolist() == pytest.approx(
        [expected[item_id] for item_id in found], rel=1e-4
    )
    assert set(found) == {item_id for item_id, value in expected.items() if value > 1e-5}


def test_the_factors_have_converged(model: Als, tmp_path: Path) -> None:
    """One more iteration changes next to nothing."""
    ids, factors = embeddings(model, tmp_path)
    liked = np.array(
        [[item_id in items for item_id in ids] for items in HISTORIES.values()], dtype=np.float64
    )

    def solve(given: np.ndarray, has: np.ndarray) -> np.ndarray:
        systems = [(given.T * (1.0 + row)) @ given + 0.5 * np.eye(3) for row in has]
        right = [given.T @ (2.0 * row) for row in has]
        return np.array([np.linalg.solve(one, other) for one, other in zip(systems, right, strict=True)])

    again = solve(solve(factors, liked), liked.T)
    assert np.abs(again @ again.T - factors @ factors.T).max() < 0.05


def test_more_memory_than_allowed_is_refused() -> None:
    with pytest.raises(TrainingMemoryError, match="als needs"):
        Als().fit(dataset(HISTORIES), Fitting(memory_bytes=1))


def test_each_iteration_is_reported() -> None:
    shares: list[float] = []
    Als(AlsConfig(factors=2, iterations=4)).fit(dataset(HISTORIES), Fitting(report=shares.append))
    assert shares == [0.25, 0.5, 0.75, 1.0, 1.0]


def test_another_seed_draws_other_factors(tmp_path: Path) -> None:
    drawn: list[object] = []
    for seed in (0, 0, 1):
        model = Als(AlsConfig(factors=3, iterations=1, regularisation=0.5, seed=seed))
        model.fit(dataset(HISTORIES))
        folder = tmp_path / str(len(drawn))
        folder.mkdir()
        drawn.append(embeddings(model, folder)[1].tolist())
    assert drawn[0] == drawn[1] != drawn[2]


def test_an_embedding_times_the_factors_of_an_item_is_its_score(model: Als, tmp_path: Path) -> None:
    data = dataset(HISTORIES)
    ids, factors = embeddings(model, tmp_path)
    index = index_of(data)
    rows = model.user_embeddings(data)
    assert rows.shape == (len(HISTORIES), CONFIG.factors)
    users = [context(user_id, HISTORIES[user_id]) for user_id in data.user_ids]
    for row, scores in zip(rows, model.score(users, index, Deadline.after(60)), strict=True):
        assert scores.item_idx is not None
        products = dict(zip(ids, (factors @ row).tolist(), strict=True))
        expected = [products[index.item_ids[idx]] for idx in scores.item_idx]
        assert (scores.values / scores.steps).tolist() == pytest.approx(expected, rel=1e-4, abs=1e-6)
