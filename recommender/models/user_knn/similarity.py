"""Compute idf in the fixed-point format of overlaps."""

import math
from collections.abc import Sequence

from recommender.catalog.popularity import Popularity

# sim(u, v) divides by sqrt(|P(v)| + DAMPING).
DAMPING = 10

# Fractional bits. Integer sums do not depend on the order of their terms, so users with equal
# overlaps have equal similarity and the tie goes to the user id. 26 bits keep ln(10^13) within an int32.
_FRACTION_BITS = 26


def idf_weight(active_users: int, positive_users: int) -> int:
    """Return ln(U / |{v : m ∈ P(v)}|) in units of 2^-26.

    Counts below 1 become 1: an item without users at the last count has got its first one since.
    """
    ratio = max(active_users, 1) / max(positive_users, 1)
    return max(0, round(math.log(ratio) * (1 << _FRACTION_BITS)))


def idf_weights(popularity: Popularity, item_ids: Sequence[str]) -> list[int]:
    """Return the idf of each item in fixed point, for items in the catalog or not."""
    active_users = popularity.active_users
    return [idf_weight(active_users, count) for count in popularity.users_of(item_ids).tolist()]
