"""Content scores: an item's share of the stated genres, and how well its genres fit a user's taste."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recommender.system.compiled import compiled_or, read_only

# Added to the popularity of each genre, so that the share of one that no user has is not 0.
_PSEUDO_COUNT = 0.01


def words_of(genre_count: int) -> int:
    """Return how many words of 64 bits the bit mask of a set of genres takes."""
    return max(1, -(-genre_count // 64))


def pack_genres(genre_sets: list[list[int]], genre_count: int) -> NDArray[np.uint64]:
    """Return bit masks of sets of genre numbers below `genre_count`; shape (sets, words of 64 genres)."""
    masks = np.zeros((len(genre_sets), words_of(genre_count)), dtype=np.uint64)
    for row, genres in enumerate(genre_sets):
        for genre in genres:
            masks[row, genre // 64] |= np.uint64(1 << (genre % 64))
    return masks


def count_matches(item_masks: NDArray[np.uint64], user_mask: NDArray[np.uint64]) -> NDArray[np.integer]:
    """Return |genres(m) ∩ genres(u)| of each item, shape (items,); over |genres(u)| it is the content_score.

    Args:
        item_masks: shape (items, words), from `pack_genres`.
        user_mask: shape (words,), the stated genres that the catalog knows.
    """
    matches = np.bitwise_count(item_masks & user_mask)
    # Hardly any catalog has more than 64 genres; a sum over one column takes longer than all the rest.
    return np.asarray(matches[:, 0] if matches.shape[1] == 1 else matches.sum(axis=1, dtype=np.int64))


def has_match(
    item_masks: NDArray[np.uint64], user_mask: NDArray[np.uint64], eligible: NDArray[np.bool_]
) -> bool:
    """Return whether an eligible item has a stated genre.

    Args:
        item_masks, user_mask: as `count_matches` takes them.
        eligible: shape (items,), which items may be given.
    """
    return bool(user_mask.any() and is_matched(read_only(item_masks), user_mask, eligible))


def _is_matched_in_numpy(
    masks: NDArray[np.uint64], user_mask: NDArray[np.uint64], eligible: NDArray[np.bool_]
) -> bool:
    return bool((count_matches(masks, user_mask)[eligible] > 0).any())


@compiled_or(_is_matched_in_numpy)
def is_matched(masks: NDArray[np.uint64], user_mask: NDArray[np.uint64], eligible: NDArray[np.bool_]) -> bool:
    """Return whether an eligible item has a genre of the mask; most often one of the first has."""
    for item in range(eligible.size):
        if eligible[item]:
            for word in range(user_mask.size):
                if masks[item, word] & user_mask[word]:
                    return True
    return False


class TasteWeights(NamedTuple):
    """The weights that compute a user's taste for genres.

    `prior`: how many items' worth of the average taste each user is given. `stated`: how many items a stated
    genre counts as. `slope`: how steeply a score rises with the lift.
    """

    prior: float = 40.0
    stated: float = 2.0
    slope: float = 2.0


TASTE_WEIGHTS = TasteWeights()


@dataclass(frozen=True, slots=True)
class GenreRates:
    """The base rates of genres over all users, to which a user's taste is compared.

    `set_idx`: the number of each item's set of genres, shape (items,). `entry_set`, `entry_genre`: parallel,
    the genres of each distinct set. `set_sizes`: how many genres each set has. `shares`: p_g, the share of
    each genre in what all users have, above 0, shape (genres,). `popularity`: of each item, from 0 to 1 for
    the most popular one, shape (items,).
    """

    set_idx: NDArray[np.intp]
    entry_set: NDArray[np.intp]
    entry_genre: NDArray[np.intp]
    set_sizes: NDArray[np.int64]
    shares: NDArray[np.float64]
    popularity: NDArray[np.float64]


def genre_rates(masks: NDArray[np.uint64], genre_count: int, user_counts: NDArray[np.int64]) -> GenreRates:
    """Return the base rates of the genres of a catalog.

    Items with the same genres are taken as one: there are far fewer sets of genres than items.

    Args:
        masks: of the items' genres, shape (items, words).
        genre_count: how many genres there are.
        user_counts: how many users have each item; where all are 0, every item counts as most popular.
    """
    distinct, set_idx = _distinct_rows(masks)
    members = [
        np.flatnonzero(distinct[:, genre // 64] & np.uint64(1 << (genre % 64)))
        for genre in range(genre_count)
    ]
    entry_set = np.concatenate([np.empty(0, dtype=np.intp), *members])
    entry_genre = np.repeat(np.arange(genre_count), [len(sets) for sets in members])
    sizes = np.bincount(entry_set, minlength=len(distinct))
    users = np.bincount(set_idx, weights=user_counts, minlength=len(distinct))
    counts = _PSEUDO_COUNT + np.bincount(
        entry_genre, weights=(users / np.maximum(sizes, 1))[entry_set], minlength=genre_count
    )
    most = int(user_counts.max(initial=0))
    return GenreRates(
        set_idx=set_idx,
        entry_set=entry_set,
        entry_genre=entry_genre,
        set_sizes=sizes,
        shares=counts / counts.sum(),
        popularity=np.sqrt(np.log1p(user_counts) / np.log1p(most)) if most else np.ones(len(user_counts)),
    )


def _distinct_rows(masks: NDArray[np.uint64]) -> tuple[NDArray[np.uint64], NDArray[np.intp]]:
    """Return the distinct rows in order, and which of them each row is.

    As np.unique does along an axis, which keeps the interpreter's lock: a tenth of a second at 300,000 rows.
    """
    order = np.lexsort(masks.T[::-1])
    ordered = masks[order]
    is_new = np.ones(len(masks), dtype=np.bool_)
    is_new[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    set_idx = np.empty(len(masks), dtype=np.intp)
    set_idx[order] = np.cumsum(is_new) - 1
    return ordered[is_new], set_idx


def count_genres(
    rates: GenreRates,
    item_idx: NDArray[np.intp],
    stated: NDArray[np.intp],
    weights: TasteWeights = TASTE_WEIGHTS,
) -> NDArray[np.float64]:
    """Return n_g, how much a user has of each genre: Σ [g ∈ m] / |genres(m)| + 2 × [g stated].

    Args:
        item_idx: the items of the user's history.
        stated: numbers of the genres that the user states, each once.
        weights: what a stated genre counts as.
    """
    items = np.bincount(rates.set_idx[item_idx], minlength=len(rates.set_sizes))
    each = items / np.maximum(rates.set_sizes, 1)
    counts = np.zeros(len(rates.shares))
    counts += np.bincount(rates.entry_genre, weights=each[rates.entry_set], minlength=len(counts))
    counts[stated] += weights.stated
    return counts


def tastes_by_set(
    rates: GenreRates, counts: NDArray[np.float64], weights: TasteWeights = TASTE_WEIGHTS
) -> NDArray[np.float64]:
    """Return how well each distinct set of genres fits a user's taste, shape (sets,), from 0 to 1.

    It is 0.5 for the taste of all users together, and 1 / (1 + exp(-2 × mean of lift)) in general, where the
    lift of a genre is ln((n_g + 40 p_g) / ((Σ n + 40) p_g)); without genres the mean is 0.

    Args:
        counts: n_g, from `count_genres`.
        weights: the prior and the slope.
    """
    expected = (counts.sum() + weights.prior) * rates.shares
    lifts = np.log((counts + weights.prior * rates.shares) / expected)
    sums = np.bincount(rates.entry_set, weights=lifts[rates.entry_genre], minlength=len(rates.set_sizes))
    means = sums / np.maximum(rates.set_sizes, 1)
    return np.asarray(1.0 / (1.0 + np.exp(-weights.slope * means)), dtype=np.float64)
