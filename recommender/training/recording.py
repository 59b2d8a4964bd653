"""Notes what is published in recommendation_db."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from recommender.databases.recommendation_db import RecommendationDatabase
from recommender.errors import LoadError
from recommender.model_store.artifact import Metadata
from recommender.models.base import UserEmbeddings
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


def _line(exc: LoadError) -> str:
    # The driver's words may go over several lines.
    return " ".join(str(exc).split())


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
