"""Explains a page of recommendations in words and numbers."""

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from recommender.catalog.index import CatalogIndex
from recommender.domains.base import Verbs
from recommender.entities import Explanation, ExplanationContext, Item, OwnItem
from recommender.models.base import ScoreExplanation, SimilarUserEvidence
from recommender.serving.ranker import RankedPage
from recommender.texts.labels import name_of
from recommender.texts.names import name_key

# More titles make a sentence hard to read.
_NAMED_TITLES = 2


class PageExplainer:
    """Explains one user's page.

    `explanation`: of the page. `details`: by item id, of the items on the page and in its explanations.
    """

    def __init__(
        self,
        page: RankedPage,
        explanation: ScoreExplanation,
        details: Mapping[str, Item],
        *,
        index: CatalogIndex,
        verbs: Verbs,
    ) -> None:
        self._page = page
        self._evidence = explanation.evidence
        self._contributions = explanation.contributions
        self._details = details
        self._index = index
        self._weights = page.blend.weights
        self._verbs = verbs
        history = page.user.history
        self._liked_ids = frozenset(itertools.compress(history.positive_ids, history.positive_liked))

    def basis(self) -> ExplanationContext:
        """Return the values that the explanations of the page refer to."""
        return ExplanationContext(
            stated_genres=tuple(self._page.user.stated_genres.values()),
            similar_users=None if self._evidence is None else self._evidence.similar_users,
            max_score=self._page.max_score,
            weights=self._weights,
            window_days=self._page.user.window.days,
        )

    def explain(self, rank: int, item: Item) -> Explanation:
        """Return the explanation of the item at a rank of the page, from 0."""
        page, weights, evidence = self._page, self._weights, self._evidence
        item_idx = page.item_idx[rank]
        matched = self._matched_genres(item, self._index.genre_masks[item_idx])
        collaborative = float(page.collaborative[rank])
        # Values can be NULL or negative: similar users with an item may add nothing to its score.
        because = self._because(rank) if collaborative else ()
        is_reason = bool(weights.collaborative and collaborative)
        return Explanation(
            matched_genres=matched,
            similar_user_count=None if evidence is None else int(evidence.counts[rank]),
            total_interaction_value=None if evidence is None else float(evidence.total_values[rank]),
            content_part=weights.content * float(page.content[rank]),
            collaborative_part=weights.collaborative * collaborative,
            because=because,
            reason=_reason(
                matched if weights.content else (),
                _people(evidence, rank) if is_reason else None,
                because if is_reason else (),
                int(self._index.user_counts[item_idx]),
                self._verbs,
                # Some models use no items of the user.
                by_history=is_reason and bool(self._contributions),
            ),
        )

    def _matched_genres(self, item: Item, item_mask: NDArray[np.uint64]) -> tuple[str, ...]:
        """Return the stated genres that the item has, in the spelling of the catalog."""
        written = {name_key(genre): genre for genre in item.genres}
        return tuple(
            written.get(genre, stated)
            for genre, stated in self._page.user.stated_genres.items()
            if (self._index.genre_mask([genre]) & item_mask).any()
        )

    def _because(self, rank: int) -> tuple[OwnItem, ...]:
        """Return the user's items that contributed most, if their details are known."""
        if not self._contributions:
            return ()
        ids = [self._index.item_ids[idx] for idx in self._contributions[rank].item_idx]
        return tuple(
            OwnItem(self._details[item_id], liked=item_id in self._liked_ids)
            for item_id in ids
            if item_id in self._details
        )


def _people(evidence: SimilarUserEvidence | None, rank: int) -> str | None:
    """Return the text about similar users who have the item at a rank; None if there are none."""
    if evidence is None or not evidence.counts[rank]:
        return None
    if evidence.similar_users == 1:
        return "the one person"
    return f"{int(evidence.counts[rank]):,} of the {evidence.similar_users:,} people"


def _reason(
    matched: Sequence[str],
    people: str | None,
    because: Sequence[OwnItem],
    popularity: int,
    verbs: Verbs,
    *,
    by_history: bool,
) -> str:
    """Return the reason as a sentence. `by_history`: whether the user's items contribute."""
    liked_it = f"{verbs.liked} or {verbs.watched} it"
    genres = f"it has {_listed([name_of(genre) for genre in matched])}, as you asked for" if matched else ""
    titled = [own for own in because if own.details.title][:_NAMED_TITLES]
    own_history = f"because you {_own_history(titled, verbs)}" if titled else ""
    if people:
        liked = f"{people} most like you {liked_it}"
        collaborative = f"{own_history}: {liked} too" if own_history else liked
    elif by_history and not own_history:
        collaborative = f"it goes with what you {verbs.liked} or {verbs.watched}"
    else:
        collaborative = own_history
    if collaborative and genres:
        return _sentence(f"{collaborative}, and {genres}")
    if collaborative or genres:
        return _sentence(collaborative or genres)
    if popularity:
        noun = "person" if popularity == 1 else "people"
        return _sentence(f"popular: {popularity:,} {noun} {liked_it}")
    return _sentence("nothing fits better")


def _own_history(own_items: Sequence[OwnItem], verbs: Verbs) -> str:
    """Return what the user did, such as: liked “A” and watched “B”."""
    parts = [
        f"{verb} {_listed([f'“{own.details.title}”' for own in own_items if own.liked is liked])}"
        for liked, verb in ((True, verbs.liked), (False, verbs.watched))
        if any(own.liked is liked for own in own_items)
    ]
    return _listed(parts)


def _listed(words: Sequence[str]) -> str:
    """Join words to a list in a sentence."""
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
