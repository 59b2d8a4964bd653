"""Turns the status of the service into answers."""

import time

from recommender.api.concurrency import ConcurrencyLimits, Occupancy
from recommender.api.health.schemas import (
    CatalogueAnswer,
    HeldBackAnswer,
    LaneAnswer,
    LoadAnswer,
    ModelAnswer,
    ReadyAnswer,
    RefusedModelAnswer,
)
from recommender.catalog.gate import HeldBack
from recommender.catalog.status import CatalogStatus
from recommender.serving.status import ModelStatus, Status


def ready_of(status: Status, limiters: ConcurrencyLimits) -> ReadyAnswer:
    """Return the answer of /ready."""
    answer = ReadyAnswer(
        status=status.readiness,
        databases={name.value: state for name, state in status.databases.items()},
        catalogue=None if status.catalog is None else _catalog_of(status.catalog),
        model=model_of(status.model),
        load=LoadAnswer(
            pages=_load_of(limiters.pages.occupancy),
            batches=_load_of(limiters.batches.occupancy),
            streams=_load_of(limiters.streams.occupancy),
        ),
    )
    if status.experiment_models:
        answer["experiment_models"] = {
            name: model_of(model) for name, model in status.experiment_models.items()
        }
    if status.catalog is None and status.held_back is not None:
        answer["held_back"] = _held_back_of(status.held_back)
    if status.load_failure:
        answer["load_failure"] = status.load_failure
    if status.stopped:
        answer["stopped"] = list(status.stopped)
    return answer


def model_of(model: ModelStatus) -> ModelAnswer:
    """Return the model that answers, and the published one that is refused, if any."""
    answer = ModelAnswer(name=model.name, version=model.version)
    if model.refused is not None:
        answer["refused"] = RefusedModelAnswer(version=model.refused.version, reason=model.refused.reason)
    return answer


def _load_of(occupancy: Occupancy) -> LaneAnswer:
    return LaneAnswer(
        working=occupancy.working,
        max_working=occupancy.max_working,
        open=occupancy.open,
        max_open=occupancy.max_open,
        saturated=occupancy.open >= occupancy.max_open,
    )


def _catalog_of(catalog: CatalogStatus) -> CatalogueAnswer:
    answer = CatalogueAnswer(
        age_seconds=round(catalog.age_s, 1),
        popularity_age_seconds=round(catalog.popularity_age_s, 1) if catalog.popularity_known else None,
        media=catalog.item_count,
        index=catalog.version,
        held_back=None if catalog.held_back is None else _held_back_of(catalog.held_back),
    )
    if catalog.unread:
        answer["unread"] = list(catalog.unread)
    return answer


def _held_back_of(held_back: HeldBack) -> HeldBackAnswer:
    return HeldBackAnswer(
        media=held_back.item_count,
        since_seconds=round(time.monotonic() - held_back.since, 1),
        reason=held_back.reason,
    )
