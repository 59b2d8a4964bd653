"""The order of a user's media, by scores that are compared exactly."""

import math
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

_BLOCK = 64
# Below any score.
_OUT = -1
# The largest whole number that a sum of two keys may reach.
_LARGEST_KEY = 1 << 62


def ranking_keys(
    matches: NDArray[np.integer],
    preference_count: int,
    media_idx: NDArray[np.intp],
    products: NDArray[Any],
    weights: tuple[float, float],
) -> NDArray[np.int64]:
    """Whole numbers in the order of recommendation_score, equal where scores are equal in exact arithmetic.

    The score content_weight × matches / preference_count + collaborative_weight × product / max(products) is
    multiplied by what makes it a whole number. As floats, equal scores may differ in the last bit.

    Args:
        matches: shape (media,), stated genres that each medium has.
        preference_count: how many genres are stated.
        media_idx, products: parallel, candidates and their whole, non-negative products; no medium twice.
        weights: of the content and of the collaborative score.
    """
    content_weight, collaborative_weight = _as_integers(*weights)
    genres = max(1, preference_count)
    largest = int(products.max(initial=0)) or 1
    content_factor, product_factor = content_weight * largest, collaborative_weight * genres
    if max(largest, content_factor * genres + product_factor * largest) < _LARGEST_KEY:
        keys = matches.astype(np.int64) * content_factor
        keys[media_idx] += products.astype(np.int64) * product_factor
        return keys
    exact = [content_factor * count for count in matches.tolist()]
    for position, product in zip(media_idx.tolist(), products.tolist(), strict=True):
        exact[position] += product_factor * int(product)
    rank_of = {key: rank for rank, key in enumerate(sorted(set(exact)))}
    return np.array([rank_of[key] for key in exact], dtype=np.int64)


def rank_page(
    keys: NDArray[np.int64], eligible: NDArray[np.bool_], limit: int, offset: int
) -> NDArray[np.intp]:
    """Positions of the media at places `offset` to `offset + limit` of a ranking.

    Media stand in the arrays by popularity descending, then id ascending, which makes the position the
    tie-break: the order is key descending, then position ascending. Media with key 0 follow in order of
    popularity; that is the fill-up. Shorter than `limit` where the ranking ends.

    Args:
        keys: shape (media,), whole numbers of 0 and more.
        eligible: shape (media,), which media may be given.
        limit, offset: the page.
    """
    end = offset + limit
    ranked = np.where(eligible, keys, _OUT)
    last = _key_reached(ranked, end)
    if last > _OUT:
        # Sort only what can be on the page.
        above = np.flatnonzero(ranked > last)
        level = np.flatnonzero(ranked == last)[: max(0, end - len(above))]
        media_idx = np.sort(np.concatenate((above, level)))
    else:
        media_idx = np.flatnonzero(eligible)
    order = np.argsort(-keys[media_idx], kind="stable")
    return np.asarray(media_idx[order][offset:end], dtype=np.intp)


def _key_reached(keys: NDArray[np.int64], count: int) -> int:
    """A key that at least `count` of the keys reach, and not many more do.

    The largest of each block stand for all: that costs a tenth of a partition of all keys.
    """
    blocks = len(keys) // _BLOCK
    if blocks <= count:
        return _OUT
    largest = keys[: blocks * _BLOCK].reshape(blocks, _BLOCK).max(axis=1)
    return int(np.partition(largest, blocks - count)[blocks - count])


@lru_cache(maxsize=256)
def _as_integers(content_weight: float, collaborative_weight: float) -> tuple[int, int]:
    """Two whole numbers in the ratio of the weights as they are written: (2, 3) for 0.4 and 0.6."""
    content, collaborative = Fraction(str(content_weight)), Fraction(str(collaborative_weight))
    scale = math.lcm(content.denominator, collaborative.denominator)
    first, second = int(content * scale), int(collaborative * scale)
    common = math.gcd(first, second) or 1
    return first // common, second // common
