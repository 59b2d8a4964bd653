"""Metrics of rankings: arrays with one value per user, or one value in all.

Rankings have shape (users, ranks) and hold item_idx of the catalog index, -1 after the end of a list.
Relevance is binary. For accuracy metrics, more is better.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

ACCURACY = ("ndcg", "recall", "precision", "map", "mrr", "hit_rate")
# Steck, "Calibrated Recommendations" (RecSys 2018): how much of the history's distribution is mixed in, so
# that a genre that is not recommended at all does not make the divergence infinite.
_MIXED_IN = 0.01
# Users per step when pairs of items are compared, and their pairs of ranks; a pair takes about 20 bytes.
_USERS_AT_ONCE, _PAIRS_AT_ONCE = 1_000, 2_000_000

PerUser = NDArray[np.float64]


def hit_mask(
    rankings: NDArray[np.intp], relevant: Sequence[NDArray[np.intp]], item_count: int
) -> NDArray[np.bool_]:
    """Return a mask of ranks with relevant items; shape (users, ranks)."""
    counts = [len(each) for each in relevant]
    rows = np.repeat(np.arange(len(relevant)), counts)
    keys = rows * item_count + np.concatenate([np.empty(0, dtype=np.intp), *relevant])
    ranked = np.arange(len(rankings))[:, np.newaxis] * item_count + rankings
    return np.asarray(np.isin(ranked, keys) & (rankings >= 0))


def accuracy(hits: NDArray[np.bool_], relevant_counts: NDArray[np.int64], k: int) -> Mapping[str, PerUser]:
    """Return the metrics of `ACCURACY` over the first k ranks, by name; shape (users,) each.

    ndcg: Σ 1 / log2(rank + 1) of the hits, by that of the best ranking. recall: hits by relevant items.
    precision: hits by k. map: Σ precision at each hit, by the smaller of k and the number of relevant items.
    mrr: 1 / rank of the first hit. hit_rate: 1 where there is a hit.

    Args:
        hits: shape (users, at least k ranks).
        relevant_counts: shape (users,), none of them 0.
        k: how many ranks count.
    """
    found = hits[:, :k].astype(np.float64)
    width = found.shape[1]
    ranks = np.arange(1, width + 1)
    gains = 1.0 / np.log2(np.arange(1, k + 1) + 1)
    best = np.concatenate(([0.0], np.cumsum(gains)))[np.minimum(relevant_counts, k)]
    so_far = np.cumsum(found, axis=1)
    total = found.sum(axis=1)
    has_hit = total > 0
    first = np.argmax(found > 0, axis=1) + 1
    return {
        "ndcg": (found * gains[:width]).sum(axis=1) / best,
        "recall": total / relevant_counts,
        "precision": total / k,
        "map": (found * so_far / ranks).sum(axis=1) / np.minimum(relevant_counts, k),
        "mrr": np.where(has_hit, 1.0 / first, 0.0),
        "hit_rate": has_hit.astype(np.float64),
    }


def coverage(rankings: NDArray[np.intp], item_count: int) -> float:
    """Return the share of the catalog that is recommended to at least one user."""
    return len(np.unique(rankings[rankings >= 0])) / item_count


def exposure_gini(rankings: NDArray[np.intp], item_count: int) -> float:
    """Return the Gini coefficient of recommendation counts: 0 if equal, near 1 if always the same items."""
    exposures = np.sort(np.bincount(rankings[rankings >= 0], minlength=item_count)).astype(np.float64)
    total = exposures.sum()
    if not total:
        return 0.0
    weights = 2 * np.arange(1, item_count + 1) - item_count - 1
    return float((weights * exposures).sum() / (item_count * total))


def mean_popularity(rankings: NDArray[np.intp], user_counts: NDArray[np.int64], users: int) -> PerUser:
    """Return the mean popularity (share of users who have an item) over each list; shape (users,)."""
    return _mean_of_list(rankings, user_counts / max(1, users))


def novelty(rankings: NDArray[np.intp], user_counts: NDArray[np.int64], users: int) -> PerUser:
    """Return the mean of -log2(share of users who have an item) over each list, in bits; shape (users,).

    An item without users counts as if one user had it.
    """
    return _mean_of_list(rankings, -np.log2(np.maximum(user_counts, 1) / max(1, users)))


def intra_list_diversity(rankings: NDArray[np.intp], genres: NDArray[np.bool_]) -> PerUser:
    """Return 1 - the mean Jaccard similarity of genres over pairs of a list; shape (users,).

    Items without genres do not count, as nothing is known about them. NaN below two others.

    Args:
        rankings: shape (users, ranks).
        genres: mask of shape (items, genres).
    """
    at_once = max(1, min(_USERS_AT_ONCE, _PAIRS_AT_ONCE // max(1, rankings.shape[1] ** 2)))
    parts = [
        _diversity(rankings[start : start + at_once], genres) for start in range(0, len(rankings), at_once)
    ]
    return np.concatenate([np.empty(0), *parts])


def miscalibration(
    rankings: NDArray[np.intp], genre_shares: NDArray[np.float64], history_shares: NDArray[np.float64]
) -> PerUser:
    """Return the divergence of each list's genres from those of the history (Steck 2018); 0 is best.

    Σ p ln(p / (0.99 q + 0.01 p)) over genres; p: share in the history, q: share in the list. NaN if the
    history or the list has no genres.

    Args:
        rankings: shape (users, ranks).
        genre_shares: shape (items, genres): 1 / (number of genres) for each genre of an item.
        history_shares: shape (users, genres), each row the mean of the items', or all 0.
    """
    listed = np.zeros_like(history_shares)
    for rank in range(rankings.shape[1]):
        valid = rankings[:, rank] >= 0
        listed[valid] += genre_shares[rankings[valid, rank]]
    p, q = _as_distributions(history_shares), _as_distributions(listed)
    mixed = (1.0 - _MIXED_IN) * q + _MIXED_IN * p
    terms = np.zeros_like(p)
    np.divide(p, mixed, out=terms, where=mixed > 0)
    np.log(terms, out=terms, where=terms > 0)
    return np.asarray(np.where(p.any(axis=1) & q.any(axis=1), (p * terms).sum(axis=1), np.nan))


def _as_distributions(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    totals = weights.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(weights, totals, out=np.zeros_like(weights), where=totals > 0))


def _mean_of_list(rankings: NDArray[np.intp], values: NDArray[np.float64]) -> PerUser:
    valid = rankings >= 0
    sums = np.where(valid, values[rankings], 0.0).sum(axis=1)
    counts = valid.sum(axis=1)
    return np.asarray(np.divide(sums, counts, out=np.full(len(rankings), np.nan), where=counts > 0))


def _diversity(rankings: NDArray[np.intp], genres: NDArray[np.bool_]) -> PerUser:
    has_genres = np.asarray(genres.any(axis=1))
    valid = (rankings >= 0) & has_genres[rankings]
    listed = (genres[rankings] & valid[:, :, np.newaxis]).astype(np.float32)
    common = listed @ listed.transpose(0, 2, 1)
    sizes = listed.sum(axis=2)
    either = sizes[:, :, np.newaxis] + sizes[:, np.newaxis, :] - common
    similar = np.divide(common, either, out=np.zeros_like(common), where=either > 0)
    pairs = valid[:, :, np.newaxis] & valid[:, np.newaxis, :] & ~np.eye(rankings.shape[1], dtype=np.bool_)
    counts = pairs.sum(axis=(1, 2))
    total = (similar * pairs).sum(axis=(1, 2), dtype=np.float64)
    return np.asarray(1.0 - np.divide(total, counts, out=np.full(len(rankings), np.nan), where=counts > 0))
