"""Record publications in recommendation_db."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from config.setting_types import PROGRAM
from recommender.databases.recommendation_db import RecommendationDatabase
from recommender.errors import ArtifactError, LoadError, one_line
from recommender.model_store.artifact import Metadata, current_version, read_metadata
from recommender.model_store.currents import VersionRef
from recommender.model_store.versions import model_folders, versions_of
from recommender.models.base import UserEmbeddings
from recommender.models.registry import MODELS
from recommender.training.publication import Publication, RecordPublication, record_nothing


def recording_in(url: str | None, warn: Callable[[str], None]) -> RecordPublication:
    """Return a recorder for published versions and for their users' embeddings, if they have any.

    Args:
        url: of recommendation_db; None if there is none.
        warn: called with the reason if a version could not be recorded; it is published nevertheless.
    """
    if url is None:
        return record_nothing
    database = RecommendationDatabase(url)

    def record(publication: Publication) -> bool:
        try:
            database.record(
                _row_of(publication.metadata),
                _embeddings_of(publication),
                list(publication.versions),
                is_current=publication.is_current,
            )
        except LoadError as exc:
            published = publication.metadata
            warn(
                f"{published.model} {published.version} is published, but recommendation_db does not have "
                f"it: {_line(exc)}"
            )
            return False
        return True

    return record


def record_current(url: str | None, folder: Path, ref: VersionRef, warn: Callable[[str], None]) -> None:
    """Record that an earlier version is the current one of its model.

    Args:
        url: of recommendation_db; None if there is none.
        folder: of all models.
        ref: the version.
        warn: called with the reason if that could not be recorded; the version is current nevertheless.

    Raises:
        ArtifactError: the metadata of the version cannot be read.
    """
    if url is None:
        return
    row = _row_of(read_metadata(folder, *ref))
    try:
        RecommendationDatabase(url).update_current(row, versions_of(folder / ref.model))
    except LoadError as exc:
        warn(
            f"recommendation_db does not say that {ref} is current: {_line(exc)}. "
            f"`{PROGRAM} models promote {ref.version}` repeats it"
        )


def record_removed(
    url: str | None, folder: Path, removed: Iterable[VersionRef], warn: Callable[[str], None]
) -> None:
    """Delete the rows of removed versions.

    Args:
        url: of recommendation_db; None if there is none.
        folder: of all models.
        removed: the removed versions. For other models with versions, remaining rows of removed versions are
            deleted, too.
        warn: called with the reason if rows could not be deleted.
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
            f"recommendation_db still has rows of versions that were removed: {_line(exc)}. "
            f"`{PROGRAM} models prune` removes them once it answers"
        )


def match_records_to_folder(url: str | None, folder: Path) -> None:
    """Delete the rows of all versions that have no folder, and record the current version of each model.

    A current version that is not recorded yet is recorded without embeddings. Rows of models without a folder
    stay, as `folder` may be another one than that of the records.

    Args:
        url: of recommendation_db; None if there is none.
        folder: of all models.

    Raises:
        LoadError: PostgreSQL refuses or does not answer.
    """
    if url is None:
        return
    kept: dict[str, list[str]] = {}
    current = []
    for home in model_folders(folder):
        kept[home.name] = versions_of(home)
        with suppress(ArtifactError):
            version = current_version(folder, home.name)
            if version is not None:
                # It may have been published since the versions were listed.
                kept[home.name].append(version)
                current.append(_row_of(read_metadata(folder, home.name, version)))
    RecommendationDatabase(url).keep_versions(kept, current)


def _line(exc: LoadError) -> str:
    return one_line(exc).rstrip(".")


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
