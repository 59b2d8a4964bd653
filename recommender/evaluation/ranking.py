"""Rankings of variants: each model is fitted once and scores users once, for all its blends.

The code that serves requests makes them: the model's `score`, with similar users mixed in for short
histories, then `Ranker` over the whole catalog.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recommender.catalog.index import CatalogIndex
from recommender.deadline import Deadline
from recommender.entities import Blend, Options, Page, Strategy
from recommender.errors import TrainingMemoryError
from recommender.evaluation.training_part import TrainingPart
from recommender.evaluation.variants import Fit, RankingVariant
from recommender.models.base import NO_SCORES, Choice, Scorer, Scores, TrainableModel, UserContext
from recommender.models.fitting import Fitting
from recommender.models.registry import DEFAULT_MODEL, MODELS
from recommender.models.short_histories import ShortHistories, interpolated_blend, trained_share
from recommender.serving.hydration import ItemScope
from recommender.serving.ranker import Ranker

# The most numbers in the dense scores of a chunk of users.
_SCORES_AT_ONCE = 8_000_000
_MOST_USERS_AT_ONCE = 256
_A_DAY_S = 86_400.0

Report = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class ShortHistory:
    """How users with few positive items are ranked, as when serving.

    `min_history`: with at least so many items, the model ranks alone; 0 for all users. `configured_blend`:
    the blend for short histories, from which weights shift to those of a variant; None if the weights are
    configured, and so the same for all users. `neighbours`: the model that is mixed in.
    """

    min_history: int = 5
    configured_blend: Blend | None = None
    neighbours: Fit = field(default_factory=lambda: Fit(DEFAULT_MODEL))

    def blend_for(self, user: UserContext, variant: RankingVariant) -> Blend:
        """Return the blend of a variant for a user."""
        if self.configured_blend is None or variant.fit is None:
            return variant.blend
        if not user.history.positive_ids:
            return self.configured_blend
        if not mixes_similar_users(variant.fit):
            return variant.blend
        share = trained_share(user.history, self.min_history)
        return interpolated_blend(self.configured_blend, variant.blend, share)


# The defaults of the settings.
AS_SERVED = ShortHistory()


@dataclass(frozen=True, slots=True)
class Rankings:
    """A variant's rankings for the test users, in their order.

    `item_idx`: shape (users, ranks), -1 after the end of a list. `personalised`: shape (users,), whether more
    than popularity was used. `refused`: why there are none.
    """

    variant: RankingVariant
    item_idx: NDArray[np.intp]
    personalised: NDArray[np.bool_]
    fit_seconds: float | None = None
    refused: str | None = None


class _Fitted(NamedTuple):
    scorer: Scorer
    seconds: float | None


class _Unscored:
    """Scores nothing, so that the ranking is by popularity."""

    name = "popularity"
    version: str | None = None

    def score(self, users: Sequence[UserContext], items: CatalogIndex, deadline: Deadline) -> Scores:  # noqa: ARG002 - unused
        """Return no scores for any user."""
        return [NO_SCORES] * len(users)


def is_personal(strategy: Strategy, model: str) -> bool:
    """Whether a ranking by a model rests on more than popularity, which is the same for every user."""
    by_popularity_alone = strategy is Strategy.COLLABORATIVE and model == _Unscored.name
    return strategy is not Strategy.POPULAR and not by_popularity_alone


def mixes_similar_users(fit: Fit) -> bool:
    """Return whether similar users are mixed in for users with short histories."""
    return MODELS[fit.model].mixes_similar_users


class _Fitter:
    """Fits models to a training part; fits the neighbours for short histories only once."""

    def __init__(self, part: TrainingPart, fitting: Fitting, short: ShortHistory, report: Report) -> None:
        self._part = part
        self._fitting = fitting
        self._report = report
        self._short = short
        self._neighbours: TrainableModel | None = None

    def fit(self, fit: Fit | None) -> _Fitted:
        """Return a scorer as served for `fit`, and how long the model took to learn.

        Raises:
            TrainingMemoryError: the model needs more memory than allowed.
        """
        if fit is None:
            return _Fitted(_Unscored(), None)
        started = time.monotonic()
        model = self._learn(fit)
        seconds = time.monotonic() - started
        lengths = self._part.users.history_lengths
        if not mixes_similar_users(fit) or (lengths >= self._short.min_history).all():
            return _Fitted(model, seconds)
        if self._neighbours is None:
            self._neighbours = self._learn(self._short.neighbours)
        return _Fitted(ShortHistories(model, self._neighbours, self._short.min_history), seconds)

    def _learn(self, fit: Fit) -> TrainableModel:
        label = f"Learning {fit.label}"

        def report(share: float) -> None:
            self._report(label, round(100 * share), 100)

        report(0.0)
        model = MODELS[fit.model].make(fit.hyperparameters)
        model.fit(self._part.data, Fitting(self._fitting.memory_bytes, report))
        return model


def rank_variants(
    part: TrainingPart,
    variants: Sequence[RankingVariant],
    ranks: int,
    fitting: Fitting,
    report: Report,
    *,
    short: ShortHistory = AS_SERVED,
) -> Iterator[Rankings]:
    """Yield the rankings of variants, grouped by fit.

    A fit that needs more memory than `fitting` allows is skipped.

    Args:
        part: training data and test users.
        variants: the variants to rank by.
        ranks: the length of each list.
        fitting: a bound on the memory of each fit.
        report: called with the current step, the amount done and the total.
        short: how users with short histories are ranked.
    """
    by_fit: dict[str, list[RankingVariant]] = {}
    for variant in variants:
        by_fit.setdefault(repr(variant.fit), []).append(variant)
    fitter = _Fitter(part, fitting, short, report)
    for alike in by_fit.values():
        try:
            fitted = fitter.fit(alike[0].fit)
        except (TrainingMemoryError, MemoryError) as exc:
            reason = str(exc) or "There is not enough memory."
            nothing = np.empty((0, ranks), dtype=np.intp), np.empty(0, dtype=np.bool_)
            yield from (Rankings(variant, *nothing, refused=reason) for variant in alike)
            continue
        yield from _rank(part, alike, fitted, ranks=ranks, short=short, report=report)


def _rank(
    part: TrainingPart,
    variants: Sequence[RankingVariant],
    fitted: _Fitted,
    *,
    ranks: int,
    short: ShortHistory,
    report: Report,
) -> Iterator[Rankings]:
    users, index = part.users.contexts, part.index
    item_count = len(index.item_ids)
    rankings = np.full((len(variants), len(users), ranks), -1, dtype=np.intp)
    personalised = np.zeros((len(variants), len(users)), dtype=np.bool_)
    ranker = Ranker(index, Options())
    everything = np.ones(item_count, dtype=np.bool_)
    scope, page = ItemScope(everything, everything), Page(ranks)
    scorer = fitted.scorer
    label = f"Ranking by {variants[0].fit.label if variants[0].fit else 'popularity'}"
    at_once = max(1, min(_MOST_USERS_AT_ONCE, _SCORES_AT_ONCE // item_count))
    for start in range(0, len(users), at_once):
        report(label, start, len(users))
        chunk = users[start : start + at_once]
        scores = scorer.score(chunk, index, Deadline.after(_A_DAY_S))
        for row, (user, own) in enumerate(zip(chunk, scores, strict=True), start=start):
            for variant_idx, variant in enumerate(variants):
                choice = Choice(scorer, short.blend_for(user, variant))
                ranked = ranker.rank(user, choice, own, scope, page)
                rankings[variant_idx, row, : len(ranked.item_idx)] = ranked.item_idx
                personalised[variant_idx, row] = is_personal(ranked.strategy, scorer.name)
    report(label, len(users), len(users))
    for variant, item_idx, is_personalised in zip(variants, rankings, personalised, strict=True):
        yield Rankings(variant, item_idx, is_personalised, fitted.seconds)
