"""Turns versions and training runs into answers."""

from dataclasses import asdict
from typing import cast

from recommender.api.models.schemas import (
    BlendAnswer,
    ComparedAnswer,
    FingerprintAnswer,
    IntervalAnswer,
    MadeAnswer,
    TrainingRunAnswer,
    VersionAnswer,
)
from recommender.entities import Blend
from recommender.model_store.artifact import Metadata
from recommender.model_store.runs import ComparedVariant, MetricInterval, TrainingRun
from recommender.model_store.store import StoredVersion


def version_of(stored: StoredVersion) -> VersionAnswer:
    """Return the answer about a version."""
    return VersionAnswer(
        model=stored.ref.model,
        version=stored.ref.version,
        current=stored.is_current,
        current_of_model=stored.is_current_of_model,
        was_current=stored.was_current,
        made=None if stored.metadata is None else _made_of(stored.metadata),
        fault=stored.fault,
    )


def run_of(run: TrainingRun) -> TrainingRunAnswer:
    """Return the answer about a training run: its record, whose keys are those of the answer."""
    compared = [_compared_of(each) for each in run.compared]
    return cast(TrainingRunAnswer, run.model_dump(mode="json") | {"compared": compared})


def _made_of(metadata: Metadata) -> MadeAnswer:
    provenance = metadata.provenance
    return MadeAnswer(
        built_at=metadata.built_at,
        made_by=provenance.made_by,
        run=provenance.run,
        host=metadata.host,
        code_version=metadata.code_version,
        hyperparameters=dict(metadata.hyperparameters),
        counts=dict(metadata.counts),
        window_start=metadata.window_start,
        fingerprint=cast(FingerprintAnswer, asdict(metadata.fingerprint)),
        metrics={
            name: IntervalAnswer(mean=mean, low=low, high=high)
            for name, (mean, low, high) in provenance.metrics.items()
        },
        blend=None if provenance.blend is None else _blend_of(provenance.blend),
        shrinkage_accepted=metadata.shrinkage_accepted,
    )


def _blend_of(blend: Blend) -> BlendAnswer:
    return BlendAnswer(
        content_weight=blend.weights.content,
        collaborative_weight=blend.weights.collaborative,
        content=blend.content,
    )


def _compared_of(each: ComparedVariant) -> ComparedAnswer:
    return ComparedAnswer(
        name=each.name,
        model=each.model,
        hyperparameters=dict(each.hyperparameters),
        blend=BlendAnswer(
            content_weight=each.content_weight,
            collaborative_weight=each.collaborative_weight,
            content=each.content,
        ),
        metric=_interval_of(each.metric),
        against_champion=_interval_of(each.against_champion),
        refused=each.refused,
    )


def _interval_of(found: MetricInterval | None) -> IntervalAnswer | None:
    return None if found is None else cast(IntervalAnswer, found.model_dump())
