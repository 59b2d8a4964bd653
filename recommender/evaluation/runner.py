"""Run a comparison: rank for the test users by every variant, and measure with intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recommender.catalog.index import CatalogIndex
from recommender.evaluation import metrics
from recommender.evaluation.intervals import Bootstrap, DifferenceIntervals, MeanIntervals
from recommender.evaluation.ranking import AS_SERVED, Rankings, Report, ShortHistory, rank_variants
from recommender.evaluation.results import (
    ALL_USERS,
    LONGER_HISTORY,
    NEW_USERS,
    SHORT_HISTORY,
    THE_MODEL_ALONE,
    WITH_HISTORY,
    Description,
    Evaluation,
    GroupResult,
    MetricDifference,
    VariantResult,
)
from recommender.evaluation.sources import Source
from recommender.evaluation.splits import Split, SplitKind, iso_time
from recommender.evaluation.training_part import Relevant, TestUsers, TrainingPart, prepare
from recommender.evaluation.variants import DEFAULT, POPULARITY, RankingVariant
from recommender.model_store.runs import MetricInterval
from recommender.models.fitting import UNBOUNDED, Fitting

DEFAULT_KS = (5, 10, 20)
MAIN_K = 10
_ACTIVITY = ("light", "middle", "heavy")


@dataclass(frozen=True, slots=True)
class Plan:
    """How to compare. `ks`: ascending. `max_users`: the size of the sample of test users; None for all.

    `short`: how users with short histories are ranked. `baselines`: variants to compare the others with, if
    they are among the variants.
    """

    split: SplitKind = SplitKind.TIME
    ks: tuple[int, ...] = DEFAULT_KS
    relevant: Relevant | None = None
    max_users: int | None = None
    seed: int = 0
    fitting: Fitting = UNBOUNDED
    short: ShortHistory = AS_SERVED
    baselines: tuple[RankingVariant, ...] = (POPULARITY, DEFAULT)

    @property
    def metric(self) -> str:
        """The primary metric: NDCG@10, or at the largest k if there is no 10."""
        return f"ndcg@{MAIN_K if MAIN_K in self.ks else self.ks[-1]}"


def _quiet(_label: str, _done: int, _total: int) -> None:
    """Report nothing."""


def evaluate(
    source: Source, split: Split, variants: Sequence[RankingVariant], plan: Plan, report: Report = _quiet
) -> Evaluation:
    """Compare variants on a split.

    Args:
        source: the source of the split interactions.
        split: the split.
        variants: with `POPULARITY` among them.
        plan: how to compare.
        report: called with the current step, the amount done and the total.

    Raises:
        EvaluationError: there is nothing to learn from or to test on.
    """
    part = prepare(source, split, plan.relevant, plan.max_users, plan.seed)
    return evaluate_part(part, variants, plan, describe(source, split, part, plan), report)


def evaluate_part(
    part: TrainingPart,
    variants: Sequence[RankingVariant],
    plan: Plan,
    description: Description,
    report: Report,
) -> Evaluation:
    """Compare variants on prepared data; see `evaluate`."""
    ranked = list(rank_variants(part, variants, plan.ks[-1], plan.fitting, report, short=plan.short))
    measured = [each for each in ranked if each.refused is None]
    names = [each.variant.name for each in measured]
    baselines = tuple(each.name for each in plan.baselines if each.name in names)
    groups = _groups(part.users, plan.short.min_history or AS_SERVED.min_history)
    by_group = {
        group: _measure_group(measured, part, mask, plan, baselines) for group, mask in groups.items()
    }
    genres = _genres_of(part.index)
    history_shares = _history_shares(part.users, part.index, genres)
    results = []
    for each in ranked:
        if each.refused is not None:
            results.append(_refused(each))
            continue
        variant_idx = names.index(each.variant.name)
        results.append(
            _result(
                each,
                {group: found[variant_idx] for group, found in by_group.items()},
                _beyond(each.item_idx, part, genres, history_shares, plan.ks),
            )
        )
    return Evaluation(
        description=description,
        group=WITH_HISTORY if WITH_HISTORY in groups else ALL_USERS,
        metric=plan.metric,
        baselines=baselines,
        variants=tuple(results),
    )


def describe(source: Source, split: Split, part: TrainingPart, plan: Plan) -> Description:
    """Return a description of the data."""
    stated = (
        "user_db, as they are today" if source.stated else "the three most liked genres of the training part"
    )
    return Description(
        source=source.name,
        split=plan.split.value,
        moment=None if split.moment is None else iso_time(split.moment),
        until=None if split.moment is None else iso_time(split.until),
        window_days=source.window_days,
        relevant=part.relevant.value,
        stated=stated,
        items=len(part.index.item_ids),
        train_users=len(part.data.user_ids),
        train_pairs=len(part.data.item_idx),
        test_users=len(part.users.contexts),
        seed=plan.seed,
        ks=plan.ks,
    )


def _groups(users: TestUsers, min_history: int) -> dict[str, NDArray[np.bool_]]:
    """Return masks over the test users, by name, without empty groups.

    Users with a history are grouped by its length: at `min_history` items, and into thirds; users with equal
    lengths are in the same third.
    """
    lengths = users.history_lengths
    known = lengths > 0
    groups = {ALL_USERS: np.ones(len(lengths), dtype=np.bool_), WITH_HISTORY: known, NEW_USERS: ~known}
    short = lengths < min_history
    groups |= {SHORT_HISTORY: known & short, LONGER_HISTORY: ~short}
    if known.any():
        bounds = np.quantile(lengths[known], (1 / 3, 2 / 3), method="inverted_cdf")
        third = np.searchsorted(bounds, lengths, side="left")
        groups |= {name: known & (third == idx) for idx, name in enumerate(_ACTIVITY)}
    return {name: mask for name, mask in groups.items() if mask.any()}


def _measure_group(
    measured: Sequence[Rankings],
    part: TrainingPart,
    mask: NDArray[np.bool_],
    plan: Plan,
    baselines: Sequence[str],
) -> list[GroupResult]:
    """Return the accuracy of each variant for a group of users."""
    users = np.flatnonzero(mask)
    names = [f"{metric}@{k}" for k in plan.ks for metric in metrics.ACCURACY]
    bootstrap = Bootstrap(_accuracy_by_user(measured, part, users, plan.ks))
    width = len(names)
    opponents = _opponents([each.variant for each in measured], baselines)
    against = {
        baseline: bootstrap.intervals_against(
            np.concatenate([idx * width + np.arange(width) for idx in opponent_idx])
        )
        for baseline, opponent_idx in opponents.items()
    }
    main = names.index(plan.metric) + width * np.arange(len(measured))
    joint = {
        baseline: bootstrap.joint_intervals_against(main[opponent_idx], main)
        for baseline, opponent_idx in opponents.items()
        if baseline in baselines
    }
    intervals = bootstrap.intervals()
    return [
        GroupResult(
            users=len(users),
            metrics=_intervals(intervals, names, variant_idx * width),
            against={
                baseline: _differences(differences, names, variant_idx * width)
                for baseline, differences in against.items()
            },
            joint={
                baseline: _differences(differences, [plan.metric], variant_idx)[plan.metric]
                for baseline, differences in joint.items()
            },
        )
        for variant_idx in range(len(measured))
    ]


def _accuracy_by_user(
    measured: Sequence[Rankings], part: TrainingPart, users: NDArray[np.intp], ks: Sequence[int]
) -> NDArray[np.float64]:
    """Return all metrics of each variant, by k and name; shape (users, columns)."""
    relevant = [part.users.relevant[user] for user in users.tolist()]
    counts = part.users.relevant_counts[users]
    columns = []
    for each in measured:
        hits = metrics.hit_mask(each.item_idx[users], relevant, len(part.index.item_ids))
        for k in ks:
            found = metrics.accuracy(hits, counts, k)
            columns += [found[metric] for metric in metrics.ACCURACY]
    return np.stack(columns, axis=1)


def _opponents(variants: Sequence[RankingVariant], baselines: Sequence[str]) -> dict[str, list[int]]:
    """Return by baseline the index of the variant to compare each variant with; itself if none."""
    names = [variant.name for variant in variants]
    alone = {repr(each.fit): idx for idx, each in enumerate(variants) if not each.weights.content}
    return {
        **{baseline: [names.index(baseline)] * len(variants) for baseline in baselines},
        THE_MODEL_ALONE: [alone.get(repr(each.fit), idx) for idx, each in enumerate(variants)],
    }


def _differences(
    intervals: DifferenceIntervals, names: Sequence[str], start: int
) -> dict[str, MetricDifference]:
    columns = (each[start : start + len(names)].tolist() for each in intervals)
    rows = zip(*columns, strict=True)
    return {
        name: MetricDifference.of(mean, low, high, confirmed=confirmed)
        for name, (mean, low, high, confirmed) in zip(names, rows, strict=True)
    }


def _intervals(intervals: MeanIntervals, names: Sequence[str], start: int) -> dict[str, MetricInterval]:
    columns = (each[start : start + len(names)].tolist() for each in intervals)
    rows = zip(*columns, strict=True)
    return {
        name: MetricInterval(mean=mean, low=low, high=high)
        for name, (mean, low, high) in zip(names, rows, strict=True)
    }


def _genres_of(index: CatalogIndex) -> NDArray[np.bool_]:
    """Return a mask of each item's genres; shape (items, genres)."""
    bits = np.unpackbits(index.genre_masks.view(np.uint8), axis=1).astype(np.bool_)
    return np.asarray(bits[:, bits.any(axis=0)])


def _shares_of(genres: NDArray[np.bool_]) -> NDArray[np.float64]:
    return np.asarray(genres / np.maximum(1, genres.sum(axis=1, keepdims=True)))


def _history_shares(users: TestUsers, index: CatalogIndex, genres: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the genre distribution of each user's history; shape (users, genres), 0 without one."""
    shares = _shares_of(genres)
    found = np.zeros((len(users.contexts), genres.shape[1]))
    for row, user in enumerate(users.contexts):
        item_idx = index.locate(user.history.positive_ids)
        item_idx = item_idx[item_idx >= 0]
        if len(item_idx):
            found[row] = shares[item_idx].mean(axis=0)
    return found


def _beyond(
    item_idx: NDArray[np.intp],
    part: TrainingPart,
    genres: NDArray[np.bool_],
    history_shares: NDArray[np.float64],
    ks: Sequence[int],
) -> dict[str, float]:
    """Return the metrics beside accuracy, over all test users; NaN is left out."""
    index = part.index
    users, shares = len(part.data.user_ids), _shares_of(genres)
    found: dict[str, float] = {}
    for k in ks:
        listed = item_idx[:, :k]
        found |= {
            f"coverage@{k}": metrics.coverage(listed, len(index.item_ids)),
            f"gini@{k}": metrics.exposure_gini(listed, len(index.item_ids)),
            f"diversity@{k}": _mean(metrics.intra_list_diversity(listed, genres)),
            f"novelty@{k}": _mean(metrics.novelty(listed, index.user_counts, users)),
            f"popularity@{k}": _mean(metrics.mean_popularity(listed, index.user_counts, users)),
            f"miscalibration@{k}": _mean(metrics.miscalibration(listed, shares, history_shares)),
        }
    return {name: value for name, value in found.items() if np.isfinite(value)}


def _mean(values: NDArray[np.float64]) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else float("nan")


def _result(
    ranked: Rankings, groups: Mapping[str, GroupResult], beyond: Mapping[str, float]
) -> VariantResult:
    return _refused(ranked).model_copy(
        update={
            "groups": groups,
            "beyond": beyond,
            "fit_seconds": ranked.fit_seconds,
            "personalised": float(ranked.personalised.mean()),
        }
    )


def _refused(ranked: Rankings) -> VariantResult:
    variant = ranked.variant
    return VariantResult(
        name=variant.name,
        model=None if variant.fit is None else variant.fit.model,
        hyperparameters={} if variant.fit is None else variant.fit.hyperparameters,
        content_weight=variant.weights.content,
        collaborative_weight=variant.weights.collaborative,
        content=variant.content,
        refused=ranked.refused,
    )
