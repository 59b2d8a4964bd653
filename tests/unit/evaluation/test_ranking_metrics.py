"""Each metric equals its value computed by hand, and NDCG that of scikit-learn."""

import tracemalloc

import numpy as np
import pytest

from recommender.evaluation import metrics

LOG3 = np.log2(3)
# Two users. The first has three relevant items, at ranks 1, 3 and none; the second one, at rank 2.
RANKINGS = np.array([[4, 0, 2, 1], [3, 1, 0, -1]])
RELEVANT = [np.array([2, 4, 5]), np.array([1])]
HITS = np.array([[True, False, True, False], [False, True, False, False]])
COUNTS = np.array([3, 1])


def test_hits_are_the_relevant_items_of_the_users_own() -> None:
    assert metrics.hit_mask(RANKINGS, RELEVANT, 6).tolist() == HITS.tolist()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ndcg", [(1 + 1 / 2) / (1 + 1 / LOG3 + 1 / 2), 1 / LOG3]),
        ("recall", [2 / 3, 1.0]),
        ("precision", [2 / 3, 1 / 3]),
        ("map", [(1 + 2 / 3) / 3, 1 / 2]),
        ("mrr", [1.0, 1 / 2]),
        ("hit_rate", [1.0, 1.0]),
    ],
)
def test_accuracy_at_three_by_hand(name: str, expected: list[float]) -> None:
    assert metrics.accuracy(HITS, COUNTS, 3)[name] == pytest.approx(expected)


def test_at_one_only_the_first_rank_counts() -> None:
    found = metrics.accuracy(HITS, COUNTS, 1)
    assert {name: values.tolist() for name, values in found.items()} == {
        "ndcg": [1, 0],
        "recall": [pytest.approx(1 / 3), 0],
        "precision": [1, 0],
        "map": [1, 0],
        "mrr": [1, 0],
        "hit_rate": [1, 0],
    }


@pytest.mark.slow
def test_ndcg_is_that_of_a_library() -> None:
    from sklearn.metrics import ndcg_score  # noqa: PLC0415 - takes a second, which other tests need not wait

    generator = np.random.default_rng(3)
    relevance = generator.random((20, 30)) < 0.2
    relevance[:, 0] = True
    scores = generator.permuted(np.tile(np.arange(30.0), (20, 1)), axis=1)
    ranked = np.argsort(-scores, axis=1)
    hits = np.take_along_axis(relevance, ranked, axis=1)
    found = metrics.accuracy(hits, relevance.sum(axis=1), 10)["ndcg"]
    expected = [ndcg_score([row], [own], k=10) for row, own in zip(relevance, scores, strict=True)]
    assert found == pytest.approx(expected)


def test_coverage_and_gini_count_how_often_items_are_recommended() -> None:
    assert metrics.coverage(RANKINGS, 6) == 5 / 6
    # Exposures 0 1 1 1 2 2 of six items: Σ (2i - 7) x / (6 × 7).
    assert metrics.exposure_gini(RANKINGS, 6) == pytest.approx((-3 - 1 + 1 + 3 * 2 + 5 * 2) / 42)
    assert metrics.exposure_gini(np.array([[0, 1], [2, 3]]), 4) == 0


def test_popularity_and_novelty_are_means_of_lists_without_what_is_missing() -> None:
    users = np.array([8, 4, 2, 1, 0, 8])
    assert metrics.mean_popularity(RANKINGS, users, 8) == pytest.approx([(0 + 8 + 2 + 4) / 32, 13 / 24])
    assert metrics.novelty(RANKINGS, users, 8) == pytest.approx([(3 + 0 + 2 + 1) / 4, (3 + 1 + 0) / 3])


def test_diversity_is_one_minus_the_overlap_of_genres() -> None:
    genres = np.array([[1, 1, 0], [1, 0, 0], [0, 0, 1]], dtype=np.bool_)
    found = metrics.intra_list_diversity(np.array([[0, 1, 2], [0, 1, -1], [0, -1, -1]]), genres)
    assert found[:2] == pytest.approx([1 - (1 / 2) / 3, 1 / 2])
    assert np.isnan(found[2])


def test_items_without_genres_do_not_count_for_diversity() -> None:
    genres = np.array([[1, 0], [1, 0], [0, 0], [0, 0]], dtype=np.bool_)
    found = metrics.intra_list_diversity(np.array([[0, 1, 2], [0, 2, -1], [2, 3, -1]]), genres)
    assert found[0] == 0.0
    assert np.isnan(found[1:]).all()


def test_diversity_of_long_lists_takes_bounded_memory_and_is_the_same_in_any_steps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    generator = np.random.default_rng(3)
    genres = generator.random((500, 18)) < 0.2
    rankings = generator.integers(-1, 500, (1_000, 100))
    tracemalloc.start()
    found = metrics.intra_list_diversity(rankings, genres)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 80 << 20, "pairs of all users would take 200 MB"
    for pairs in (1, 30_000, 10_000_000):
        monkeypatch.setattr(metrics, "_PAIRS_AT_ONCE", pairs)
        assert metrics.intra_list_diversity(rankings[:20], genres) == pytest.approx(found[:20], rel=1e-12)


def test_miscalibration_is_the_divergence_of_genres() -> None:
    shares = np.array([[1.0, 0.0], [0.0, 1.0]])
    histories = np.array([[0.5, 0.5], [0.5, 0.5], [0.0, 0.0]])
    found = metrics.miscalibration(np.array([[0, 1], [0, -1], [0, 1]]), shares, histories)
    expected = 0.5 * np.log(0.5 / (0.99 + 0.005)) + 0.5 * np.log(0.5 / 0.005)
    assert found[:2] == pytest.approx([0.0, expected])
    assert np.isnan(found[2])
