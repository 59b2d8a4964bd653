"""Score users with short histories by a mixture of a trained model and similar users.

With n positive items in the history and M as `min_history`, the model's share is sqrt(n / M), and 1 from M
on. Both scores are divided by their largest of any item in the catalog that the user has not seen.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recommender.catalog.index import CatalogIndex
from recommender.deadline import Deadline
from recommender.entities import Blend, Content, History, Weights
from recommender.errors import DatabaseUnavailableError
from recommender.models.base import (
    Explainer,
    ItemScores,
    ScoreExplanation,
    Scorer,
    Scores,
    UserContext,
)
from recommender.models.item_weights import largest_contributions
from recommender.models.whole_scores import scores_of_floats

_BY_PROFILE: Content = "profile"
# Weights are rounded to these digits: with more, scores would not fit into 64 bits.
_DIGITS = 3


class _Part(NamedTuple):
    """One model's scores of a user: its share of the mixture is `factor` times its scores."""

    scorer: Scorer
    scores: ItemScores
    factor: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _MixedScores(ItemScores):
    """Scores of a mixture, and its parts."""

    parts: tuple[_Part, ...]


def trained_share(history: History, min_history: int) -> float:
    """Return the share of a trained model in the scores of a user, from 0 to 1.

    It rises with each item of the history, by less each time: the first item is the most informative.

    Args:
        history: of the user; its positive items count.
        min_history: from this number of items on the share is 1; with 0 it always is.
    """
    items = len(history.positive_ids)
    return 1.0 if items >= min_history else math.sqrt(items / min_history)


def interpolated_blend(configured: Blend, learned: Blend, share: float) -> Blend:
    """Return a blend between the configured one and that of a trained version.

    The weights are interpolated by the share. The content score is the version's kind; if the version gives
    it no weight, it is by profile, which uses both stated genres and history.

    Args:
        configured: of users without a history.
        learned: of users whose history is long enough.
        share: of the trained model.
    """
    if configured == learned:
        return learned
    weights = Weights(
        _between(configured.weights.content, learned.weights.content, share),
        _between(configured.weights.collaborative, learned.weights.collaborative, share),
    )
    return Blend(weights, learned.content if learned.weights.content else _BY_PROFILE)


class ShortHistories:
    """Mix a trained model's scores with those by similar users, under the model's name.

    If similar users are unavailable, the trained model scores alone, and the scores name the missing
    database.
    """

    def __init__(self, trained: Scorer, neighbours: Scorer, min_history: int) -> None:
        """Mix `trained` with `neighbours` for users with fewer than `min_history` positive items."""
        self.name = trained.name
        self.version = trained.version
        self._trained = trained
        self._neighbours = neighbours
        self._min_history = min_history

    def score(self, users: Sequence[UserContext], items: CatalogIndex, deadline: Deadline) -> Scores:
        """Return each user's scores, with one search for similar users for all short histories."""
        scores = list(self._trained.score(users, items, deadline))
        shares = [trained_share(user.history, self._min_history) for user in users]
        short = [user_idx for user_idx, share in enumerate(shares) if share < 1.0]
        if not short:
            return scores
        try:
            found = self._neighbours.score([users[user_idx] for user_idx in short], items, deadline)
        except DatabaseUnavailableError as exc:
            for user_idx in short:
                scores[user_idx] = replace(scores[user_idx], missing=exc.database)
            return scores
        for user_idx, neighbours in zip(short, found, strict=True):
            unseen = ~items.mask(users[user_idx].history.seen_ids)
            share = shares[user_idx]
            parts = (
                _part(self._trained, scores[user_idx], share, unseen),
                _part(self._neighbours, neighbours, 1.0 - share, unseen),
            )
            scores[user_idx] = _mix(parts, len(unseen))
        return scores

    def explain(
        self,
        user: UserContext,
        scores: ItemScores,
        item_idx: NDArray[np.intp],
        items: CatalogIndex,
        top_k: int,
    ) -> ScoreExplanation:
        """Return the largest contributions to the mixture, from both models by their shares.

        A model's contributions to a score of 0 are left out: it may be a negative score, of which the mixture
        takes nothing.
        """
        parts = scores.parts if isinstance(scores, _MixedScores) else (_Part(self._trained, scores, 1.0),)
        history_idx = items.locate(user.history.positive_ids)
        column_of = {idx: column for column, idx in enumerate(history_idx.tolist())}
        mixed = np.zeros((len(item_idx), len(history_idx)))
        for part in parts:
            if isinstance(part.scorer, Explainer):
                # All contributions: small ones to both scores may add up to a large one to the mixture.
                explained = part.scorer.explain(user, part.scores, item_idx, items, len(history_idx))
                for row in np.flatnonzero(_has_score(part.scores, item_idx)).tolist():
                    contributions = explained.contributions[row]
                    columns = [column_of[idx] for idx in contributions.item_idx.tolist()]
                    mixed[row, columns] += part.factor * contributions.values
        return ScoreExplanation(largest_contributions(mixed, history_idx, top_k))


def _between(configured: float, learned: float, share: float) -> float:
    return round(share * learned + (1.0 - share) * configured, _DIGITS)


def _part(scorer: Scorer, scores: ItemScores, share: float, unseen: NDArray[np.bool_]) -> _Part:
    """Return a model's scores as a part of a mixture; `unseen` is a mask over all items."""
    offered = scores.values[unseen if scores.item_idx is None else unseen[scores.item_idx]]
    largest = float(offered.max(initial=0)) / scores.steps
    return _Part(scorer, scores, share / largest if largest > 0.0 else 0.0)


def _has_score(scores: ItemScores, item_idx: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Return which of some items have a score above 0; parallel to `item_idx`."""
    above = np.flatnonzero(scores.values > 0)
    return np.isin(item_idx, above if scores.item_idx is None else scores.item_idx[above])


def _mix(parts: tuple[_Part, ...], item_count: int) -> ItemScores:
    mixed = np.zeros(item_count)
    for _, scores, factor in parts:
        values = scores.values.astype(np.float64) * (factor / scores.steps)
        if scores.item_idx is None:
            mixed += values
        else:
            mixed[scores.item_idx] += values
    found = np.flatnonzero(mixed > 0.0)
    whole = scores_of_floats(mixed[found], found)
    return _MixedScores(values=whole.values, item_idx=whole.item_idx, steps=whole.steps, parts=parts)
