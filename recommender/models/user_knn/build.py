"""Build the arrays of the trained user_knn: the items of each user, and the users of each item."""

import numpy as np
from numpy.typing import NDArray

from recommender.data.dataset import Dataset
from recommender.models.files import Arrays
from recommender.models.user_knn.layout import WORD_USERS, words_of_row
from recommender.models.user_knn.similar_users import value_steps
from recommender.models.user_knn.similarity import DAMPING, idf_weight
from recommender.models.vocabulary import encode_ids

ARRAY_NAMES = (
    "user_ids",
    "media_ids",
    "user_start",
    "media_of_user",
    "values",
    "media_start",
    "users_of_media",
    "idf_weights",
    "inverse_norms",
    "bits_row",
    "user_bits",
)

# Items with more than this share of all users get a row of bits. Half of it would take twice the memory and
# gain no time.
_POPULAR_SHARE = 1 / 16


def build_arrays(data: Dataset) -> Arrays:
    """Return the arrays of a model.

    `values` are sums of values in integer steps of 10^-9. Users are in the order of their ids, so that ties
    by index are ties by id. `media_of_user` and `users_of_media` hold the same pairs, by user and by item,
    with the bounds `user_start` and `media_start`. `bits_row` and `user_bits` repeat the users of popular
    items as bits.
    """
    users = len(data.user_ids)
    positive_users = np.bincount(data.item_idx, minlength=len(data.item_ids))
    user_of_pair = data.user_idx
    return {
        "user_ids": encode_ids(data.user_ids),
        "media_ids": encode_ids(data.item_ids),
        "user_start": data.user_start,
        "media_of_user": data.item_idx,
        "values": value_steps(data.values),
        "media_start": np.concatenate(([0], np.cumsum(positive_users))).astype(np.int64),
        "users_of_media": user_of_pair[np.argsort(data.item_idx, kind="stable")],
        "idf_weights": np.array([idf_weight(users, int(n)) for n in positive_users], dtype=np.int32),
        "inverse_norms": (1 / np.sqrt(np.diff(data.user_start) + DAMPING)).astype(np.float32),
        **_bits(data.item_idx, user_of_pair, positive_users, users),
    }


def _bits(
    items_of_user: NDArray[np.int32],
    user_of_pair: NDArray[np.int32],
    positive_users: NDArray[np.int64],
    users: int,
) -> dict[str, NDArray[np.int32] | NDArray[np.uint16]]:
    """Return the users of popular items as bits for `add_popular`; `bits_row` is -1 for other items."""
    popular = np.flatnonzero(positive_users > users * _POPULAR_SHARE)
    bits_row = np.full(len(positive_users), -1, dtype=np.int32)
    bits_row[popular] = np.arange(len(popular))
    words = words_of_row(users)
    user_bits = np.zeros((len(popular), words), dtype=np.uint16)
    rows = bits_row[items_of_user]
    rows, user_idx = rows[rows >= 0], user_of_pair[rows >= 0]
    for bit in range(WORD_USERS):
        has = user_idx // words == bit
        user_bits[rows[has], user_idx[has] % words] |= np.uint16(1 << bit)
    return {"bits_row": bits_row, "user_bits": user_bits}
