"""What the live search works out between and after its two statements, in numpy."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recommender.catalogue.index import CatalogueIndex
from recommender.catalogue.media_keys import fold_keys
from recommender.databases.engagement_db import InteractionLists, NeighbourCaps
from recommender.domain import History
from recommender.models.base import Candidates
from recommender.scoring.collaborative import add_up_media
from recommender.scoring.explanation import SimilarHistories
from recommender.scoring.shortlist import Audiences, draw_up_shortlist
from recommender.scoring.similar_users import Interactions, PositiveItems, most_similar, positive_items

_WORD = np.dtype(">u8")


class AskedUser(NamedTuple):
    """A user asked about. `media`: which of the media of `AskedMedia` count for the user.

    `idf_weights`: parallel to `media`, in fixed point and above 0. `user_key`: as in `History`.
    """

    user_id: str
    media: NDArray[np.intp]
    idf_weights: NDArray[np.int64]
    user_key: bytes


class AskedMedia(NamedTuple):
    """The media of the users asked about, and how many interactions of each are read; parallel."""

    media_ids: Sequence[str]
    row_limits: Sequence[int]


class Neighbours(NamedTuple):
    """Who shares most with the users asked about.

    `user_keys`: each of these users once, in the order of their ids. `of_asked`: for each user asked about,
    positions in `user_keys`, in order, and parallel to these the sums of the idf of what is shared.
    """

    user_keys: Sequence[bytes]
    of_asked: Sequence[tuple[NDArray[np.intp], NDArray[np.int64]]]


def ask_about(
    histories: Mapping[str, History],
    index: CatalogueIndex,
    history_items: int,
    row_limit: Callable[[str, int], int],
) -> tuple[list[AskedUser], AskedMedia]:
    """Users who have anything that could be shared, and which media are to be read for them.

    `row_limit`: how many interactions are read of a medium, by its id and the number of the user's own.
    """
    places: dict[tuple[str, int], int] = {}
    asked = []
    for user_id, history in histories.items():
        latest = history.positive_ids[:history_items]
        idf_weights = np.array(index.idf_weights(latest), dtype=np.int64)
        limits = map(row_limit, latest, history.positive_rows)
        media = np.array(
            [places.setdefault(key, len(places)) for key in zip(latest, limits, strict=False)], dtype=np.intp
        )
        counts = idf_weights > 0
        if counts.any():
            asked.append(AskedUser(user_id, media[counts], idf_weights[counts], history.user_key))
    return asked, AskedMedia([media_id for media_id, _ in places], [limit for _, limit in places])


def find_neighbours(asked: Sequence[AskedUser], users: InteractionLists, caps: NeighbourCaps) -> Neighbours:
    """Those who share most with each user asked about, from the latest users of all of their media."""
    if not users.kinds.size:
        return Neighbours([], [(np.empty(0, np.intp), np.empty(0, np.int64))] * len(asked))
    words = np.frombuffer(users.keys, dtype=_WORD).reshape(len(users.kinds), -1)
    numbers = fold_keys(users.keys, words.shape[1])
    # One more than count: the user asked about may be among them.
    positive = positive_items(
        Interactions(users.sizes, numbers, users.times, users.kinds, users.values), caps.users_per_item + 1
    )
    audiences = Audiences(positive, numbers[positive.rows], words[positive.rows])
    lists = [
        draw_up_shortlist(
            audiences,
            user.media,
            user.idf_weights,
            fold_keys(user.user_key, words.shape[1])[0] if user.user_key else None,
            users_per_item=caps.users_per_item,
            length=caps.shortlist,
        )
        for user in asked
    ]
    pairs = np.concatenate([own.pairs for own in lists])
    _, first, user_of_pair = np.unique(audiences.numbers[pairs], return_index=True, return_inverse=True)
    keys = audiences.keys[pairs[first]]
    by_id = np.lexsort(keys.T[::-1])
    place = np.empty(len(by_id), dtype=np.intp)
    place[by_id] = np.arange(len(by_id))
    of_asked = []
    ends = np.cumsum([len(own.pairs) for own in lists])
    for own, end in zip(lists, ends.tolist(), strict=True):
        others = place[user_of_pair[end - len(own.pairs) : end]]
        order = np.argsort(others)
        of_asked.append((others[order], own.overlaps[order]))
    return Neighbours([key.tobytes() for key in keys[by_id]], of_asked)


def candidates_by_user(
    asked: Sequence[AskedUser],
    neighbours: Neighbours,
    media: InteractionLists,
    index: CatalogueIndex,
    caps: NeighbourCaps,
) -> dict[str, Candidates]:
    """Candidates by user asked about, from what those who share most with them did last.

    `media`: one list for each of `neighbours.user_keys`.
    """
    keys = index.media_keys.fold(media.keys)
    interactions = Interactions(media.sizes, keys, media.times, media.kinds, media.values)
    items = positive_items(interactions, caps.items_per_user)
    media_idx = index.media_keys.locate_folded(keys[items.rows])
    sizes = items.sizes
    found = {}
    for user, (others, overlaps) in zip(asked, neighbours.of_asked, strict=True):
        # Without a size are those whose latest interactions have nothing in their favour.
        counts = sizes[others] > 0
        others, overlaps = others[counts], overlaps[counts]  # noqa: PLW2901 - the rest of them
        similar = others[most_similar(overlaps, sizes[others], caps.similar_users)]
        if similar.size:
            found[user.user_id] = _candidates(similar, items, media_idx, len(index.media_ids))
    return found


def _candidates(
    similar: NDArray[np.intp], items: PositiveItems, media_idx: NDArray[np.intp], media_count: int
) -> Candidates:
    """One user's candidates, from what the similar users have in their favour."""
    _, pairs = items.of_users(similar)
    own_idx = media_idx[pairs]
    known = own_idx >= 0
    steps = items.value_steps[pairs][known]

    def similar_histories() -> SimilarHistories:
        # Only now: for a hundred users, copies would take far more memory than what they are copied from.
        user_start, pairs = items.of_users(similar)
        return SimilarHistories(user_start, media_idx[pairs])

    return Candidates(*add_up_media(own_idx[known], steps, media_count), similar_histories)
