"""Search on the validation period, then measure the choice once on the test."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from config.setting_types import PROGRAM
from recommender.entities import Blend
from recommender.evaluation import metrics
from recommender.evaluation.intervals import Bootstrap
from recommender.evaluation.ranking import Report, rank_variants
from recommender.evaluation.results import Evaluation, MetricDifference, Verdict
from recommender.evaluation.runner import Plan, evaluate
from recommender.evaluation.search_space import BEST_FITS, first_blends, fits_of, further_blends
from recommender.evaluation.sources import Source
from recommender.evaluation.splits import Splits
from recommender.evaluation.training_part import TrainingPart, choose_relevant, prepare
from recommender.evaluation.variants import DEFAULT, POPULARITY, Fit, RankingVariant
from recommender.models.registry import MODELS

_SHOWN = 10


class _Outcome(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Candidate(_Outcome):
    """A variant on the validation period: the mean of the main metric, and its difference to popularity."""

    name: str
    mean: float
    against_popularity: MetricDifference


class TuningResult(_Outcome):
    """The choice. `is_fallback`: nothing was significantly better than popularity.

    `settings`: lines for `.env`. `commands`: to run. `best`: the best candidates, best first. `tried`: the
    number of candidates. `refused`: fits that failed, with reasons. `test`: the result on the test.
    """

    chosen: str
    is_fallback: bool
    settings: tuple[str, ...]
    commands: tuple[str, ...]
    tried: int
    best: tuple[Candidate, ...]
    refused: tuple[str, ...]
    test: Evaluation


class SearchResult(NamedTuple):
    """The result of a search.

    `candidates`: parallel to `variants`. `refused`: fits that failed, with reasons.
    """

    variants: list[RankingVariant]
    candidates: list[Candidate]
    refused: list[str]


class _Measured(NamedTuple):
    """The main metric of variants by user, and the fits that failed."""

    values: list[tuple[RankingVariant, NDArray[np.float64]]]
    refused: list[str]


def tune(source: Source, splits: Splits, models: Sequence[str], plan: Plan, report: Report) -> TuningResult:
    """Choose the best variant on the validation period, and measure it on the test.

    Args:
        source: the source of the split interactions.
        splits: the splits.
        models: names of candidate models; empty for all.
        plan: how to compare.
        report: called with the current step, the amount done and the total.

    Raises:
        EvaluationError: there is nothing to learn from or to test on.
    """
    plan = replace(plan, relevant=plan.relevant or choose_relevant(source, [splits.validation, splits.test]))
    part = prepare(source, splits.validation, plan.relevant, plan.max_users, plan.seed)
    found = search(part, [fit for model in models or MODELS for fit in fits_of(model)], plan, report)
    chosen = choose(found.variants, found.candidates)
    compared = [POPULARITY, DEFAULT, *([] if chosen in (POPULARITY, DEFAULT) else [chosen])]
    ranked = sorted(found.candidates, key=lambda each: -each.mean)
    return TuningResult(
        chosen=chosen.name,
        is_fallback=chosen is POPULARITY,
        settings=settings_of(chosen),
        commands=commands_of(chosen),
        tried=len(found.candidates),
        best=tuple(ranked[:_SHOWN]),
        refused=tuple(found.refused),
        test=evaluate(source, splits.test, compared, plan, report),
    )


def choose(variants: Sequence[RankingVariant], measured: Sequence[Candidate]) -> RankingVariant:
    """Return the best of the variants that are significantly better than popularity, else popularity.

    The best has the largest mean; among equals, it is the first.
    """
    sure = [each for each in measured if each.against_popularity.verdict is Verdict.BETTER]
    if not sure:
        return POPULARITY
    best = max(sure, key=lambda each: each.mean)
    return variants[[each.name for each in measured].index(best.name)]


def settings_of(variant: RankingVariant) -> tuple[str, ...]:
    """Return the lines of `.env` that serve a variant.

    They include defaults, because the lines replace those of an existing `.env`.
    """
    lines = [
        f"CONTENT_WEIGHT={variant.weights.content:g}",
        f"COLLABORATIVE_WEIGHT={variant.weights.collaborative:g}",
        f"CONTENT={variant.content}",
    ]
    if variant.fit is not None and variant.fit.model == "neighbours":
        # The setting replaces the hyperparameter of a trained version.
        config = MODELS["neighbours"].make(variant.fit.hyperparameters).config.model_dump()
        lines.append(f"SIMILAR_USERS={config['similar_users']}")
    return tuple(lines)


def commands_of(variant: RankingVariant) -> tuple[str, ...]:
    """Return the commands that train the model of a variant."""
    if variant.fit is None:
        return ()
    given = "".join(
        f" --set {name}={value}" for name, value in variant.fit.hyperparameters.items() if value is not None
    )
    return (f"{PROGRAM} train {variant.fit.model}{given}",)


def search(
    part: TrainingPart, fits: Sequence[Fit], plan: Plan, report: Report, fixed: Blend | None = None
) -> SearchResult:
    """Measure every fit in few blends, then the best fits in all.

    Args:
        part: the data before the validation period.
        fits: the candidates.
        plan: how to compare.
        report: called with the current step, the amount done and the total.
        fixed: the only blend to try.
    """
    first = _measure(part, [POPULARITY, *first_blends(fits, fixed)], plan, report)
    ranked = sorted(first.values[1:], key=lambda each: -each[1].mean())
    # Each fit once, by its best blend. Keyed by text: a fit holds a mapping, which has no hash.
    best = list({repr(variant.fit): variant.fit for variant, _ in ranked}.values())[:BEST_FITS]
    further = [variant for fit in best if fit and fixed is None for variant in further_blends(fit)]
    second = _measure(part, further, plan, report)
    return SearchResult(*_compared([*first.values, *second.values]), [*first.refused, *second.refused])


def _measure(part: TrainingPart, variants: Sequence[RankingVariant], plan: Plan, report: Report) -> _Measured:
    """Measure variants on the validation period, for the users that decide."""
    users = np.flatnonzero(part.users.compared)
    relevant = [part.users.relevant[user] for user in users.tolist()]
    metric, _, k = plan.metric.partition("@")
    values: list[tuple[RankingVariant, NDArray[np.float64]]] = []
    refused = []
    for ranked in rank_variants(part, variants, int(k), plan.fitting, report, short=plan.short):
        if ranked.refused is not None:
            refused.append(f"{ranked.variant.name}: {ranked.refused}")
            continue
        hits = metrics.hit_mask(ranked.item_idx[users], relevant, len(part.index.item_ids))
        values.append(
            (ranked.variant, metrics.accuracy(hits, part.users.relevant_counts[users], int(k))[metric])
        )
    return _Measured(values, refused)


def _compared(
    values: Sequence[tuple[RankingVariant, NDArray[np.float64]]],
) -> tuple[list[RankingVariant], list[Candidate]]:
    """Return the measured variants except popularity, the first, with their differences to it."""
    variants = [variant for variant, _ in values]
    bootstrap = Bootstrap(np.stack([column for _, column in values], axis=1))
    against = bootstrap.joint_intervals_against(np.zeros(len(values), dtype=np.intp))
    means = bootstrap.intervals().mean.tolist()
    differences = [
        MetricDifference.of(mean, low, high, confirmed=confirmed)
        for mean, low, high, confirmed in zip(*(column.tolist() for column in against), strict=True)
    ]
    measured = [
        Candidate(name=variant.name, mean=mean, against_popularity=difference)
        for variant, mean, difference in zip(variants, means, differences, strict=True)
    ]
    return variants[1:], measured[1:]
