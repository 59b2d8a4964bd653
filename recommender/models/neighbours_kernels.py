"""The two loops of the neighbours model, compiled.

In numpy the first would touch its million entries a user several times over; compiled, it does once. The
interpreter's lock is released, so threads run side by side.
"""

import numba
import numpy as np
from numpy.typing import NDArray


@numba.njit(nogil=True)
def most_similar_users(  # noqa: PLR0917 - compiled functions take arrays, by place
    history: NDArray[np.int64],
    idf_weights: NDArray[np.int32],
    media_start: NDArray[np.int64],
    users_of_media: NDArray[np.int32],
    norms: NDArray[np.float64],
    own_user: int,
    top_k: int,
) -> NDArray[np.int64]:
    """The `top_k` users with the largest similarity above 0, largest first, ties by position.

    Args:
        history: positions of the asking user's positive media.
        idf_weights: shape (media,), fixed point.
        media_start, users_of_media: those of medium m are users_of_media[media_start[m]:media_start[m + 1]].
        norms: shape (users,), sqrt(|P(v)| + 10).
        own_user: the asking user's position, -1 for somebody the model does not know.
        top_k: how many at the most.
    """
    overlaps = np.zeros(len(norms), dtype=np.int64)
    for media in history:
        weight = idf_weights[media]
        for entry in range(media_start[media], media_start[media + 1]):
            overlaps[users_of_media[entry]] += weight
    if own_user >= 0:
        overlaps[own_user] = 0
    best = np.empty(top_k, dtype=np.int64)
    similarities = np.empty(top_k, dtype=np.float64)
    found = 0
    for user in range(len(overlaps)):
        if overlaps[user] == 0:
            continue
        similarity = overlaps[user] / norms[user]
        if found == top_k and similarity <= similarities[top_k - 1]:
            continue
        # Insertion into a short sorted list; users come by position, so equals stay behind those before.
        place = found if found < top_k else top_k - 1
        while place > 0 and similarities[place - 1] < similarity:
            similarities[place] = similarities[place - 1]
            best[place] = best[place - 1]
            place -= 1
        similarities[place] = similarity
        best[place] = user
        found = min(found + 1, top_k)
    return best[:found]


@numba.njit(nogil=True)
def sum_of_users(
    users: NDArray[np.int64],
    user_start: NDArray[np.int64],
    media_of_user: NDArray[np.int32],
    values: NDArray[np.float64],
    media_count: int,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """How many of `users` have each medium, and the sum of their values; two arrays of shape (media,)."""
    counts = np.zeros(media_count, dtype=np.int64)
    totals = np.zeros(media_count, dtype=np.float64)
    for user in users:
        for entry in range(user_start[user], user_start[user + 1]):
            counts[media_of_user[entry]] += 1
            totals[media_of_user[entry]] += values[entry]
    return counts, totals
