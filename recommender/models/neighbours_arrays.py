"""What the neighbours model is made of: everybody's positive media, both ways round."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from recommender.databases.engagement_db import PositiveHistory
from recommender.models.artefact import Arrays
from recommender.models.neighbours_layout import WORD_USERS, words_of_row
from recommender.scoring.similar_users import value_steps
from recommender.scoring.similarity import DAMPING, idf_weight

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

# Media that more than this share of all users have get a row of bits. Half of it would gain no time, and take
# twice the memory.
_POPULAR_SHARE = 1 / 16


class _Numbers(dict[str, int]):
    """Numbers ids in the order in which they are first asked for."""

    def __missing__(self, key: str) -> int:
        number = self[key] = len(self)
        return number


def build_arrays(histories: Iterable[PositiveHistory]) -> Arrays:
    """The arrays of a model, from each user's positive media and the sums of their values.

    `values` are these sums in whole steps of 10^-9. Users stand by id, so that a tie between positions is one
    between ids. `media_of_user` and `users_of_media` are the two directions of the same pairs, each grouped
    by `user_start` and `media_start`; `bits_row` and `user_bits` say the second once more for popular media.
    """
    numbers = _Numbers()
    rows = [
        (
            user_id,
            np.fromiter(map(numbers.__getitem__, media_ids), dtype=np.int32, count=len(media_ids)),
            value_steps(total_values),
        )
        for user_id, media_ids, total_values in histories
    ]
    rows.sort(key=lambda row: row[0])
    sizes = np.array([len(media) for _, media, _ in rows], dtype=np.int64)
    media_of_user = np.concatenate([media for _, media, _ in rows] or [np.empty(0, dtype=np.int32)])
    values = np.concatenate([totals for _, _, totals in rows] or [np.empty(0)])
    positive_users = np.bincount(media_of_user, minlength=len(numbers))
    user_of_pair = np.repeat(np.arange(len(rows), dtype=np.int32), sizes)
    return {
        "user_ids": np.array([user_id.encode() for user_id, _, _ in rows], dtype=np.bytes_),
        "media_ids": np.array([media_id.encode() for media_id in numbers], dtype=np.bytes_),
        "user_start": _starts(sizes),
        "media_of_user": media_of_user,
        "values": values,
        "media_start": _starts(positive_users),
        "users_of_media": user_of_pair[np.argsort(media_of_user, kind="stable")],
        "idf_weights": np.array([idf_weight(len(rows), int(n)) for n in positive_users], dtype=np.int32),
        "inverse_norms": (1 / np.sqrt(sizes + DAMPING)).astype(np.float32),
        **_bits(media_of_user, user_of_pair, positive_users, len(rows)),
    }


def _bits(
    media_of_user: NDArray[np.int32],
    user_of_pair: NDArray[np.int32],
    positive_users: NDArray[np.int64],
    users: int,
) -> dict[str, NDArray[np.int32] | NDArray[np.uint16]]:
    """Who has the popular media, a bit a user, as `add_popular` takes them. `bits_row`: -1 for the others."""
    popular = np.flatnonzero(positive_users > users * _POPULAR_SHARE)
    bits_row = np.full(len(positive_users), -1, dtype=np.int32)
    bits_row[popular] = np.arange(len(popular))
    words = words_of_row(users)
    user_bits = np.zeros((len(popular), words), dtype=np.uint16)
    rows = bits_row[media_of_user]
    rows, user_idx = rows[rows >= 0], user_of_pair[rows >= 0]
    for bit in range(WORD_USERS):
        has = user_idx // words == bit
        user_bits[rows[has], user_idx[has] % words] |= np.uint16(1 << bit)
    return {"bits_row": bits_row, "user_bits": user_bits}


def _starts(sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate(([0], np.cumsum(sizes))).astype(np.int64)
