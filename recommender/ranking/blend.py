"""The blend of content score and collaborative score, as whole numbers that are compared exactly."""

import math
from fractions import Fraction
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recommender.ranking.genre_matching import count_matches
from recommender.system.compiled import compiled, compiled_or, read_only

# The largest whole number that a sum of two keys may reach.
_LARGEST_KEY = 1 << 62
# Up to here a float holds every whole number.
_LARGEST_IN_FLOAT = 1 << 53
# Steps between a score of 0 and one of 1, where scores are floats.
_FLOAT_STEPS = float(1 << 40)


class EligibleValues(NamedTuple):
    """A model's values of the items that may be given, 0 for others, shape (items,), and the largest."""

    values: NDArray[Any]
    largest: int


def eligible_values(
    values: NDArray[Any], item_idx: NDArray[np.intp] | None, eligible: NDArray[np.bool_]
) -> EligibleValues:
    """Return the values of the items that may be given.

    Args:
        values: whole, non-negative: int64, or Python's integers where int64 is too small.
        item_idx: parallel, indices of the items, each once; None where there is a value for every item.
        eligible: shape (items,), which items may be given.
    """
    if values.dtype == np.int64:
        written = np.zeros(len(eligible), dtype=np.int64)
        if item_idx is None:
            return EligibleValues(written, int(write_all_eligible(values, eligible, written)))
        return EligibleValues(written, int(write_some_eligible(values, item_idx, eligible, written)))
    exact = np.zeros(len(eligible), dtype=object)
    exact[slice(None) if item_idx is None else item_idx] = values
    exact[~eligible] = 0
    return EligibleValues(exact, int(exact.max(initial=0)))


def blend(
    item_masks: NDArray[np.uint64],
    user_mask: NDArray[np.uint64],
    stated_count: int,
    collaborative: EligibleValues,
    weights: tuple[float, float],
) -> NDArray[np.int64]:
    """Return whole numbers in the order of recommendation_score, equal where scores are equal exactly.

    The score content_weight × matches / stated_count + collaborative_weight × value / max(values) is
    multiplied by what makes it a whole number. As floats, equal scores may differ in the last bit.

    Args:
        item_masks, user_mask: as `count_matches` takes them.
        stated_count: how many genres are stated, with those that no item has.
        collaborative: from `eligible_values`.
        weights: of the content and of the collaborative score.
    """
    values, largest = collaborative.values, collaborative.largest or 1
    content_weight, collaborative_weight = _as_integers(*weights)
    genres = max(1, stated_count)
    content_factor, value_factor = content_weight * largest, collaborative_weight * genres
    if max(largest, content_factor * genres + value_factor * largest) < _LARGEST_KEY:
        keys = np.empty(len(values), dtype=np.int64)
        whole = values.astype(np.int64, copy=False)
        blend_matches((read_only(item_masks), user_mask), whole, content_factor, value_factor, keys)
        return keys
    matches = count_matches(item_masks, user_mask).tolist()
    pairs = zip(matches, values.tolist(), strict=True)
    exact = [content_factor * count + value_factor * int(value) for count, value in pairs]
    rank_of = {key: rank for rank, key in enumerate(sorted(set(exact)))}
    return np.array([rank_of[key] for key in exact], dtype=np.int64)


def blend_floats(
    content: NDArray[np.float64], collaborative: EligibleValues, weights: tuple[float, float]
) -> NDArray[np.int64]:
    """Return whole numbers in the order of recommendation_score, in steps of 2^-40: closer ones are equal.

    Args:
        content: shape (items,), content scores, in [0, 1].
        collaborative: from `eligible_values`.
        weights: of the content and of the collaborative score, in [0, 1].
    """
    content_weight, collaborative_weight = weights
    scores = content * (content_weight * _FLOAT_STEPS)
    if collaborative.largest:
        scores += divide_by_largest(*collaborative) * (collaborative_weight * _FLOAT_STEPS)
    return np.rint(scores, out=scores).astype(np.int64)


def divide_by_largest(values: NDArray[Any], largest: int) -> NDArray[np.float64]:
    """Return values divided by the largest of them, in [0, 1]; 0 where none is above 0."""
    if largest > _LARGEST_IN_FLOAT and values.dtype.kind == "i":
        # Python divides whole numbers of any size and rounds once; numpy would round both of them before.
        values = values.astype(object)
    return np.asarray(values / max(1, largest), dtype=np.float64)


def _write_all_eligible_in_numpy(
    values: NDArray[np.int64], eligible: NDArray[np.bool_], written: NDArray[np.int64]
) -> int:
    np.copyto(written, values, where=eligible)
    return int(written.max(initial=0))


def _write_some_eligible_in_numpy(
    values: NDArray[np.int64],
    item_idx: NDArray[np.intp],
    eligible: NDArray[np.bool_],
    written: NDArray[np.int64],
) -> int:
    own = eligible[item_idx]
    written[item_idx[own]] = values[own]
    return int(written.max(initial=0))


def _blend_matches_in_numpy(
    genres: tuple[NDArray[np.uint64], NDArray[np.uint64]],
    values: NDArray[np.int64],
    content_factor: int,
    value_factor: int,
    keys: NDArray[np.int64],
) -> None:
    np.multiply(count_matches(*genres).astype(np.int64), content_factor, out=keys)
    keys += values * value_factor


@compiled_or(_write_all_eligible_in_numpy)
def write_all_eligible(
    values: NDArray[np.int64], eligible: NDArray[np.bool_], written: NDArray[np.int64]
) -> int:
    """Write the values of eligible items into zeros, and return the largest."""
    largest = 0
    for item in range(written.size):
        if eligible[item]:
            written[item] = values[item]
            largest = max(largest, values[item])
    return largest


@compiled_or(_write_some_eligible_in_numpy)
def write_some_eligible(
    values: NDArray[np.int64],
    item_idx: NDArray[np.intp],
    eligible: NDArray[np.bool_],
    written: NDArray[np.int64],
) -> int:
    """Write the values of those of some items that are eligible into zeros, and return the largest."""
    largest = 0
    for i in range(item_idx.size):
        item = item_idx[i]
        if eligible[item]:
            written[item] = values[i]
            largest = max(largest, values[i])
    return largest


@compiled_or(_blend_matches_in_numpy)
def blend_matches(
    genres: tuple[NDArray[np.uint64], NDArray[np.uint64]],
    values: NDArray[np.int64],
    content_factor: int,
    value_factor: int,
    keys: NDArray[np.int64],
) -> None:
    """Write each item's key: how many of the stated genres it has, and its value, each times a factor.

    Args:
        genres: the bit masks of the items, and that of the stated genres.
        values: shape (items,).
        content_factor, value_factor: whole; no key is beyond 64 bits.
        keys: shape (items,), written to.
    """
    masks, stated = genres
    for item in range(keys.size):
        matches = 0
        for word in range(stated.size):
            matches += count_bits(masks[item, word] & stated[word])
        keys[item] = matches * content_factor + values[item] * value_factor


@compiled
def count_bits(word: np.uint64) -> int:
    """Return how many bits are set; the compiler makes one instruction of the loop."""
    bits = 0
    while word:
        word &= word - np.uint64(1)
        bits += 1
    return bits


@lru_cache(maxsize=256)
def _as_integers(content_weight: float, collaborative_weight: float) -> tuple[int, int]:
    """Return two whole numbers in the ratio of the weights as they are written: (2, 3) for 0.4 and 0.6."""
    content, collaborative = Fraction(str(content_weight)), Fraction(str(collaborative_weight))
    scale = math.lcm(content.denominator, collaborative.denominator)
    first, second = int(content * scale), int(collaborative * scale)
    common = math.gcd(first, second) or 1
    return first // common, second // common
