"""Search on the validation period, then one look at the test to say what to expect."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict

from recommender.evaluation import metrics
from recommender.evaluation.intervals import Bootstrap
from recommender.evaluation.ranking import Report, label_of, rank_variants
from recommender.evaluation.results import Difference, Evaluation, Verdict
from recommender.evaluation.runner import Plan, evaluate
from recommender.evaluation.search_space import candidates
from recommender.evaluation.sources import Source
from recommender.evaluation.splits import Splits
from recommender.evaluation.training_part import prepare
from recommender.evaluation.variants import DEFAULT, POPULARITY, STATED, Variant

_SHOWN = 10


class _Outcome(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Candidate(_Outcome):
    """A variant on the validation period: the mean of the main metric, and how it differs from popularity."""

    name: str
    mean: float
    against_popularity: Difference


class Tuning(_Outcome):
    """What was chosen. `is_fallback`: nothing was surely better than popularity.

    `settings`: lines for `.env`. `commands`: to run. `best`: of the candidates, the best first. `tried`: how
    many there were. `refused`: what could not be fitted, and why. `test`: the one look at the test.
    """

    chosen: str
    is_fallback: bool
    settings: tuple[str, ...]
    commands: tuple[str, ...]
    tried: int
    best: tuple[Candidate, ...]
    refused: tuple[str, ...]
    test: Evaluation


class _Found(NamedTuple):
    """What a search came to; `candidates` are parallel to `variants`."""

    variants: list[Variant]
    candidates: list[Candidate]
    refused: list[str]


def tune(source: Source, splits: Splits, models: Sequence[str], plan: Plan, report: Report) -> Tuning:
    """Choose by the validation period what ranks best, and measure that on the test.

    Args:
        source: whose interactions were split.
        splits: of them.
        models: which may be chosen; all where there are none.
        plan: how to compare.
        report: told what is done, how much of it, and of how much.

    Raises:
        EvaluationError: there is nothing to learn from, or nothing to find.
    """
    found = _search(source, splits, models, plan, report)
    chosen = choose(found.variants, found.candidates)
    compared = [POPULARITY, DEFAULT, *([] if chosen in (POPULARITY, DEFAULT) else [chosen])]
    ranked = sorted(found.candidates, key=lambda each: -each.mean)
    return Tuning(
        chosen=chosen.name,
        is_fallback=chosen is POPULARITY,
        settings=settings_of(chosen),
        commands=commands_of(chosen),
        tried=len(found.candidates),
        best=tuple(ranked[:_SHOWN]),
        refused=tuple(found.refused),
        test=evaluate(source, splits.test, compared, plan, report),
    )


def choose(variants: Sequence[Variant], measured: Sequence[Candidate]) -> Variant:
    """Return the variant with the largest mean of those surely better than popularity, else popularity.

    Of equal ones the first is chosen.
    """
    sure = [each for each in measured if each.against_popularity.verdict is Verdict.BETTER]
    if not sure:
        return POPULARITY
    best = max(sure, key=lambda each: each.mean)
    return variants[[each.name for each in measured].index(best.name)]


def settings_of(variant: Variant) -> tuple[str, ...]:
    """Return the lines of `.env` that serve a variant."""
    lines = [
        f"CONTENT_WEIGHT={variant.weights.content:g}",
        f"COLLABORATIVE_WEIGHT={variant.weights.collaborative:g}",
    ]
    if variant.content != STATED:
        lines.append(f"CONTENT={variant.content}")
    return tuple(lines)


def commands_of(variant: Variant) -> tuple[str, ...]:
    """Return the commands that train what a variant is served by."""
    if variant.fit is None:
        return ()
    given = "".join(f" --set {name}={value}" for name, value in variant.fit.hyperparameters.items())
    return (f"python -m recommender train {variant.fit.model}{given}",)


def _search(source: Source, splits: Splits, models: Sequence[str], plan: Plan, report: Report) -> _Found:
    """Measure every candidate on the validation period, for users who have a history there (else for all)."""
    part = prepare(source, splits.validation, plan.relevant, plan.top_users, plan.seed)
    known = part.users.history_lengths > 0
    users = np.flatnonzero(known if known.any() else ~known)
    relevant = [part.users.relevant[user] for user in users.tolist()]
    metric, _, k = plan.metric.partition("@")
    variants, columns, refused = [], [], []
    for ranked in rank_variants(part, [POPULARITY, *_named(models)], int(k), plan.fitting, report):
        if ranked.refused is not None:
            refused.append(f"{ranked.variant.name}: {ranked.refused}")
            continue
        hits = metrics.mark_hits(ranked.item_idx[users], relevant, len(part.index.media_ids))
        columns.append(metrics.accuracy(hits, part.users.relevant_counts[users], int(k))[metric])
        variants.append(ranked.variant)
    bootstrap = Bootstrap(np.stack(columns, axis=1))
    # Popularity is the first.
    against = bootstrap.spread_against(np.zeros(len(columns), dtype=np.intp))
    means = bootstrap.spread().mean.tolist()
    differences = zip(*(values.tolist() for values in against), strict=True)
    measured = [
        Candidate(name=variant.name, mean=mean, against_popularity=Difference.of(*difference))
        for variant, mean, difference in zip(variants, means, differences, strict=True)
    ]
    return _Found(variants[1:], measured[1:], refused)


def _named(models: Sequence[str]) -> list[Variant]:
    """Return the candidates, named with their hyperparameters."""
    found = []
    for each in candidates(models):
        if each.fit is not None:
            name = each.name.replace(each.fit.model, label_of(each.fit), 1)
            found.append(Variant(name, each.fit, each.weights, each.content))
    return found
