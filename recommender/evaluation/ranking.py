"""Rankings of variants: a model is fitted once, scores a chunk of users once, and is ranked in every blend.

They are made by what serves requests: the model's `score`, then `Ranker`, over the whole catalog.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recommender.catalogue.index import CatalogueIndex
from recommender.deadline import Deadline
from recommender.entities import Options, Page, Strategy
from recommender.errors import TrainingMemoryError
from recommender.evaluation.training_part import TrainingPart
from recommender.evaluation.variants import Fit, Variant
from recommender.models.base import NO_SCORES, Choice, Scorer, Scores, TrainableModel, UserContext
from recommender.models.fitting import Fitting
from recommender.models.registry import MODELS
from recommender.serving.hydration import Scope
from recommender.serving.ranker import Ranker

# Dense scores of a chunk of users take so many numbers at most.
_SCORES_AT_ONCE = 8_000_000
_MOST_USERS_AT_ONCE = 256
_A_DAY_S = 86_400.0

Report = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Rankings:
    """What a variant ranks for the test users, in their order.

    `item_idx`: shape (users, ranks), positions in the catalog index, -1 where a ranking ends.
    `personalised`: shape (users,), whether it rests on more than popularity. `refused`: why there are none.
    """

    variant: Variant
    item_idx: NDArray[np.intp]
    personalised: NDArray[np.bool_]
    fit_seconds: float | None = None
    refused: str | None = None


class _Fitted(NamedTuple):
    model: TrainableModel | None
    seconds: float | None


class _Unscored:
    """Scores nothing, so that popular items are ranked."""

    name = "popularity"
    version: str | None = None

    def score(self, users: Sequence[UserContext], items: CatalogueIndex, deadline: Deadline) -> Scores:  # noqa: ARG002 - it needs neither
        """Return no scores for anyone."""
        return [NO_SCORES] * len(users)


def rank_variants(
    part: TrainingPart, variants: Sequence[Variant], ranks: int, fitting: Fitting, report: Report
) -> Iterator[Rankings]:
    """Yield the rankings of variants; those of one fit come one after the other.

    A fit that needs more memory than `fitting` allows is refused, and the others go on.

    Args:
        part: what is known, and whom to rank for.
        variants: any.
        ranks: how many items are ranked for each user.
        fitting: a bound on the memory of each fit.
        report: told what is done, how much of it, and of how much.
    """
    by_fit: dict[str, list[Variant]] = {}
    for variant in variants:
        by_fit.setdefault(repr(variant.fit), []).append(variant)
    for alike in by_fit.values():
        fit = alike[0].fit
        try:
            fitted = _fit(fit, part, fitting, report)
        except (TrainingMemoryError, MemoryError) as exc:
            reason = str(exc) or "There is not enough memory."
            nothing = np.empty((0, ranks), dtype=np.intp), np.empty(0, dtype=np.bool_)
            yield from (Rankings(variant, *nothing, refused=reason) for variant in alike)
            continue
        yield from _rank(part, alike, fitted, ranks, report)


def _fit(fit: Fit | None, part: TrainingPart, fitting: Fitting, report: Report) -> _Fitted:
    if fit is None:
        return _Fitted(None, None)
    started = time.monotonic()
    label = f"Learning {fit.label}"
    report(label, 0, 100)
    model = MODELS[fit.model].make(fit.hyperparameters)
    model.fit(part.data, Fitting(fitting.memory_bytes, lambda share: report(label, round(100 * share), 100)))
    return _Fitted(model, time.monotonic() - started)


def _rank(
    part: TrainingPart, variants: Sequence[Variant], fitted: _Fitted, ranks: int, report: Report
) -> Iterator[Rankings]:
    users, index = part.users.contexts, part.index
    item_count = len(index.media_ids)
    rankings = np.full((len(variants), len(users), ranks), -1, dtype=np.intp)
    personalised = np.zeros((len(variants), len(users)), dtype=np.bool_)
    ranker = Ranker(index, Options())
    everything = np.ones(item_count, dtype=np.bool_)
    scope, page = Scope(everything, everything), Page(ranks)
    scorer: Scorer = _Unscored() if fitted.model is None else fitted.model
    choices = [Choice(scorer, variant.blend) for variant in variants]
    impersonal = {Strategy.POPULAR}
    if scorer.name == _Unscored.name:
        # The model of this name scores, and scores the same for every user.
        impersonal.add(Strategy.COLLABORATIVE)
    label = f"Ranking by {variants[0].fit.label if variants[0].fit else 'popularity'}"
    at_once = max(1, min(_MOST_USERS_AT_ONCE, _SCORES_AT_ONCE // item_count))
    for start in range(0, len(users), at_once):
        report(label, start, len(users))
        chunk = users[start : start + at_once]
        scores = scorer.score(chunk, index, Deadline.after(_A_DAY_S))
        for row, (user, own) in enumerate(zip(chunk, scores, strict=True), start=start):
            for number, choice in enumerate(choices):
                ranked = ranker.rank(user, choice, own, scope, page)
                rankings[number, row, : len(ranked.item_idx)] = ranked.item_idx
                personalised[number, row] = ranked.strategy not in impersonal
    report(label, len(users), len(users))
    for variant, item_idx, rests_on_more in zip(variants, rankings, personalised, strict=True):
        yield Rankings(variant, item_idx, rests_on_more, fitted.seconds)
