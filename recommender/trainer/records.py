"""What a training run records of its comparison."""

from collections.abc import Mapping, Sequence
from typing import Any

from recommender.evaluation.results import Evaluation, MetricDifference, VariantResult
from recommender.evaluation.tuning import Candidate
from recommender.evaluation.variants import RankingVariant
from recommender.model_store.runs import ComparedVariant, MetricInterval, SearchedVariant, VariantRecord
from recommender.trainer.champion import difference_of
from recommender.trainer.comparison import Comparison

_RECORDED_CANDIDATES = 20


def metrics_of(evaluation: Evaluation, variant: RankingVariant) -> Mapping[str, tuple[float, float, float]]:
    """Return the metrics of a variant, as mean and bounds; none if it was not measured."""
    for each in evaluation.measured:
        if each.name == variant.name:
            found = evaluation.of_group(each).metrics
            return {name: (interval.mean, interval.low, interval.high) for name, interval in found.items()}
    return {}


def comparison_fields(compared: Comparison, champion: RankingVariant) -> dict[str, Any]:
    """Return the fields of a record that describe a comparison."""
    evaluation = compared.evaluation
    measured = evaluation.measured
    has_champion = champion.name in evaluation.baselines
    rows = [
        ComparedVariant(
            **_variant_fields(each),
            metric=evaluation.of_group(each).metrics[evaluation.metric],
            against_champion=(
                _interval(difference_of(evaluation, each.name, champion.name)) if has_champion else None
            ),
        )
        for each in measured
    ]
    rows += [ComparedVariant(**_variant_fields(each)) for each in evaluation.refused]
    users = evaluation.of_group(measured[0]).users if measured else 0
    moment = evaluation.description.moment
    return {
        "metric": evaluation.metric,
        "users": users,
        "split": f"what happened from {moment} on",
        "compared": tuple(rows),
        "searched": _searched(compared.searched),
        "tried": len(compared.searched),
        "left_out": compared.left_out,
    }


def _searched(candidates: Sequence[Candidate]) -> tuple[SearchedVariant, ...]:
    best = sorted(candidates, key=lambda each: -each.mean)[:_RECORDED_CANDIDATES]
    return tuple(
        SearchedVariant(name=each.name, mean=each.mean, against_popularity=_interval(each.against_popularity))
        for each in best
    )


def _variant_fields(result: VariantResult) -> dict[str, Any]:
    return {name: getattr(result, name) for name in VariantRecord.model_fields}


def _interval(difference: MetricDifference) -> MetricInterval:
    # Without its label: a record holds numbers.
    return MetricInterval(mean=difference.mean, low=difference.low, high=difference.high)
