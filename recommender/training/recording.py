"""Notes what is published in recommendation_db."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from config.setting_types import PROGRAM
from recommender.databases.recommendation_db import RecommendationDatabase
from recommender.errors import LoadError
from recommender.model_store.artifact import Metadata, read_metadata
from recommender.model_store.currents import VersionRef
from recommender.model_store.versions import versions_of
from recommender.models.base import UserEmbeddings
from recommender.models.registry import MODELS
from recommender.training.publication import Publication, Record, record_nothing


def recording_in(url: str | None, warn: Callable[[str], None]) -> Record:
    """Return what notes each version that is published, and the embeddings of its users if it has any.

    Args:
        url: of recommendation_db; None where there is none.
        warn: told why, where a version could not be noted; it is published all the same.
    """
    if url is None:
        return record_nothing
    database = RecommendationDatabase(url)

    def record(publication: Publication) -> None:
        try:
            database.record(
                _row_of(publication.metadata), _embeddings_of(publication), list(publication.versions)
            )
        except LoadError as exc:
            published = publication.metadata
            warn(f"{published.model} {published.version} is published, and not noted: {_line(exc)}")

    return record


def record_current(url: str | None, folder: Path, ref: VersionRef, warn: Callable[[str], None]) -> None:
    """Note that a version which was published before is the current one of its model.

    Args:
        url: of recommendation_db; None where there is none.
        folder: of all models.
        ref: the version.
        warn: told why, where that could not be noted; the version is current all the same.

    Raises:
        ArtifactError: what the version says of itself cannot be read.
    """
    if url is None:
        return
    row = _row_of(read_metadata(folder, *ref))
    try:
        RecommendationDatabase(url).update_current(row, versions_of(folder / ref.model))
    except LoadError as exc:
        warn(
            f"recommendation_db does not say that {ref} is current: {_line(exc)}. "
            f"`{PROGRAM} models promote {ref.version}` tells it again"
        )


def record_removed(
    url: str | None, folder: Path, removed: Iterable[VersionRef], warn: Callable[[str], None]
) -> None:
    """Remove the rows of versions that are gone.

    Args:
        url: of recommendation_db; None where there is none.
        folder: of all models.
        removed: the versions that are gone. Of other models that have versions, rows that are left of
            earlier ones are removed, too.
        warn: told why, where rows could not be removed.
    """
    if url is None:
        return
    kept = {model: versions_of(folder / model) for model in MODELS}
    gone = {ref.model for ref in removed}
    try:
        RecommendationDatabase(url).keep_versions(
            {model: versions for model, versions in kept.items() if versions or model in gone}
        )
    except LoadError as exc:
        warn(
            f"recommendation_db still has rows of versions that are gone: {_line(exc)}. "
            f"`{PROGRAM} models prune` removes them once it answers"
        )


def _line(exc: LoadError) -> str:
    # The driver's words may go over several lines.
    return " ".join(str(exc).split()).rstrip(".")


def _row_of(metadata: Metadata) -> dict[str, object]:
    provenance = metadata.provenance
    return {
        "model": metadata.model,
        "version": metadata.version,
        "hyperparameters": json.dumps(metadata.hyperparameters),
        "metrics": json.dumps(provenance.metrics),
        "fingerprint": json.dumps(asdict(metadata.fingerprint)),
        "blend": None if provenance.blend is None else json.dumps(asdict(provenance.blend)),
        "counts": json.dumps(metadata.counts),
        "code_version": metadata.code_version,
        "made_by": provenance.made_by,
        "training_run": provenance.run,
        "built_at": metadata.built_at,
    }


def _embeddings_of(publication: Publication) -> Iterator[tuple[str, Sequence[float]]]:
    model, data = publication.model, publication.data
    if not isinstance(model, UserEmbeddings):
        return
    rows: NDArray[np.float32] = model.user_embeddings(data)
    for user_id, row in zip(data.user_ids, rows, strict=True):
        yield user_id, row.tolist()
