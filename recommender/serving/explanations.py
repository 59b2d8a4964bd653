"""Puts into words and numbers how a page of recommendations came about."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from recommender.catalogue.index import CatalogueIndex
from recommender.domain import Basis, Explanation, Media, OwnMedia
from recommender.names import name_key
from recommender.serving.user_ranking import Grounds, UserPage
from recommender.words import name_of


def basis_of(grounds: Grounds, window_days: int) -> Basis:
    """What the explanations of a page refer to."""
    return Basis(
        stated_genres=tuple(grounds.stated_genres.values()),
        similar_users=grounds.similar_users,
        max_score=grounds.max_score,
        weights=grounds.weights,
        window_days=window_days,
    )


# More of them make a sentence hard to read.
_TOLD_TITLES = 2


class Explainer:
    """Explains one user's page; `media` are details by id."""

    def __init__(
        self, page: UserPage, grounds: Grounds, media: Mapping[str, Media], index: CatalogueIndex
    ) -> None:
        self._page = page
        self._grounds = grounds
        self._media = media
        self._index = index

    def explain(self, place: int, media: Media) -> Explanation:
        """How the medium at a place of the page came there."""
        page, grounds = self._page, self._grounds
        media_idx = page.media_idx[place]
        matched = self._matched_genres(media, self._index.genre_masks[media_idx])
        users = int(grounds.similar_user_counts[place])
        because = self._because(place)
        popularity = int(self._index.user_counts[media_idx])
        return Explanation(
            matched_genres=matched,
            similar_user_count=users,
            total_interaction_value=float(grounds.total_values[place]),
            content_part=grounds.weights.content * float(page.content[place]),
            collaborative_part=grounds.weights.collaborative * float(page.collaborative[place]),
            because=because,
            reason=_reason(
                matched if grounds.weights.content else (),
                users if grounds.weights.collaborative else 0,
                grounds.similar_users,
                because,
                popularity,
            ),
        )

    def _matched_genres(self, media: Media, media_mask: NDArray[np.uint64]) -> tuple[str, ...]:
        """The stated genres that the medium was scored by, as the catalogue writes them."""
        written = {name_key(genre): genre for genre in media.genres}
        return tuple(
            written.get(genre, stated)
            for genre, stated in self._grounds.stated_genres.items()
            if (self._index.genre_mask([genre]) & media_mask).any()
        )

    def _because(self, place: int) -> tuple[OwnMedia, ...]:
        """The user's own media that led there, as far as their details can be had."""
        ids = [self._index.media_ids[media_idx] for media_idx in self._grounds.telling_idx[place]]
        return tuple(
            OwnMedia(self._media[media_id], liked=media_id in self._grounds.liked_ids)
            for media_id in ids
            if media_id in self._media
        )


def _reason(
    matched: Sequence[str], users: int, similar_users: int, because: Sequence[OwnMedia], user_count: int
) -> str:
    """One plain sentence, of what counts."""
    genres = f"it has {_listed([name_of(genre) for genre in matched])}, as you asked for" if matched else ""
    told_media = [own for own in because if own.media.title][:_TOLD_TITLES]
    if users:
        people = f"{users:,} of the {similar_users:,} people" if similar_users > 1 else "the one person"
        told = f"{people} most like you liked or watched it"
        if told_media:
            told = f"because you {_own_history(told_media)}: {told} too"
        return _sentence(f"{told}, and {genres}" if genres else told)
    if genres:
        return _sentence(genres)
    if user_count:
        people = "person" if user_count == 1 else "people"
        return _sentence(f"popular: {user_count:,} {people} liked or watched it")
    return _sentence("nothing fits better, and you have not seen it yet")


def _own_history(own_media: Sequence[OwnMedia]) -> str:
    """What the user did with media of their own: liked “A” and watched “B”."""
    parts = [
        f"{verb} {_listed([f'“{own.media.title}”' for own in own_media if own.liked is liked])}"
        for liked, verb in ((True, "liked"), (False, "watched"))
        if any(own.liked is liked for own in own_media)
    ]
    return _listed(parts)


def _listed(words: Sequence[str]) -> str:
    """The words as a list in a sentence."""
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
