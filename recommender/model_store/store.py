"""List, promote, roll back and prune the versions in the store."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from config.setting_types import PROGRAM
from recommender.data.forgotten import MADE_BEFORE_FORGETTING, Forgotten, read_forgotten
from recommender.errors import ArtifactError, NewerReleaseError
from recommender.model_store.artifact import METADATA, Metadata, is_there, read_metadata, verify
from recommender.model_store.currents import (
    VersionRef,
    currents_of_models,
    point_to,
    refuse_unless_links,
    serving_version,
)
from recommender.model_store.folders import replace_text
from recommender.model_store.locks import model_lock, store_lock
from recommender.model_store.promotions import (
    Promotion,
    PromotionReason,
    last_champions,
    logged_promotion,
    promotions_until,
    versions_before,
)
from recommender.model_store.shrinkage import find_loss
from recommender.model_store.versions import remove_version, versions_of
from recommender.models.registry import MODELS

# Versions of each model.
KEPT_VERSIONS = 3


class UnknownVersionError(ArtifactError):
    """There is no such version."""


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """A version in the store.

    `metadata`: None if it cannot be read. `fault`: why the version cannot be used, as far as that is known
    without reading every byte. `is_current`: `MODEL=auto` serves it. `is_current_of_model`: `MODEL=<name>`
    serves it. `was_current`: it was current before the present one.
    """

    ref: VersionRef
    metadata: Metadata | None
    fault: str | None
    is_current: bool
    is_current_of_model: bool
    was_current: bool


def list_versions(folder: Path, *, unreadable_left_out: bool = False) -> list[StoredVersion]:
    """Return the versions of all models, the latest first.

    Args:
        folder: of all models.
        unreadable_left_out: skip models whose folder cannot be read.

    Raises:
        OSError: a folder cannot be read.
    """
    current, of_models = serving_version(folder), set(currents_of_models(folder))
    before: set[VersionRef] = set()
    # Without the log, all else can be listed.
    with contextlib.suppress(OSError):
        before = last_champions(history_of(folder)) - {current}
    refs: list[VersionRef] = []
    for model in MODELS:
        with contextlib.suppress(*((OSError,) if unreadable_left_out else ())):
            refs += [VersionRef(model, version) for version in versions_of(folder / model)]
    found = []
    forgotten = _forgotten_in(folder)
    for ref in sorted(refs, key=lambda each: each.version, reverse=True):
        metadata, fault = None, None
        try:
            metadata = read_metadata(folder, *ref)
            _refuse_forgotten(metadata, forgotten)
        except ArtifactError as exc:
            fault = str(exc)
        found.append(
            StoredVersion(
                ref,
                metadata,
                fault,
                is_current=ref == current,
                is_current_of_model=ref in of_models,
                was_current=ref in before,
            )
        )
    return found


def find_version(folder: Path, name: str) -> VersionRef:
    """Return the named version.

    Args:
        folder: of all models.
        name: of the version, with `<model>/` before it if two models have a version of that name.

    Raises:
        UnknownVersionError: there is no such version, or more than one.
    """
    model, _, version = name.rpartition("/")
    found = [
        VersionRef(each, version)
        for each in MODELS
        if model in ("", each) and version in versions_of(folder / each)
    ]
    if not found:
        raise UnknownVersionError(
            f"{name}: there is no such version in {folder}. `{PROGRAM} models list` shows those there are."
        )
    if len(found) > 1:
        choices = " or ".join(f"{ref.model}/{ref.version}" for ref in found)
        raise UnknownVersionError(f"{name}: several models have this version; give one of {choices}.")
    return found[0]


def promote(folder: Path, ref: VersionRef, *, shrinkage_accepted: bool = False) -> None:
    """Make a version the current one of its model and of all models.

    Args:
        folder: of all models.
        ref: the version.
        shrinkage_accepted: even if it has far fewer users or items than the current one.

    Raises:
        ArtifactError: it is damaged, or has far fewer users or items; the current one stays.
        OSError: the folder cannot be written.
    """
    verified = _verified(folder, ref)
    with store_lock(folder):
        metadata = _unchanged(folder, ref, verified)
        lost = _lost(folder, metadata)
        if lost is not None and not (shrinkage_accepted or metadata.shrinkage_accepted):
            raise ArtifactError(
                f"{ref} has {lost} than the current version, and servers would refuse it. If that is "
                "right, promote it with --accept-shrinkage."
            )
        _prepare_to_serve(folder, metadata, is_smaller=lost is not None)
        make_current(folder, ref, PromotionReason.PROMOTED)


def rollback(folder: Path) -> VersionRef:
    """Make the version before the present one current again, and return it; two calls go back two versions.

    Missing and damaged versions are skipped. Its size is not compared, as it was in use before.

    Raises:
        ArtifactError: there is no earlier version, or another one became current meanwhile; the present one
            stays.
        OSError: the folder cannot be written.
    """
    passed_over = []
    earlier = versions_before(history_of(folder))
    for ref in earlier:
        try:
            verified = _verified(folder, ref)
        except ArtifactError as exc:
            passed_over.append(str(exc))
            continue
        with store_lock(folder):
            if versions_before(history_of(folder)) != earlier:
                raise ArtifactError(
                    f"{folder}: another version became current while {ref} was checked, and stays. Try again "
                    "if that one is to be replaced."
                )
            metadata = _unchanged(folder, ref, verified)
            _prepare_to_serve(folder, metadata, is_smaller=_lost(folder, metadata) is not None)
            make_current(folder, ref, PromotionReason.ROLLED_BACK)
            return ref
    reasons = "".join(f" {reason}." for reason in passed_over)
    raise ArtifactError(f"{folder}: no earlier version can be made current again.{reasons}")


def prune(folder: Path, keep: int = KEPT_VERSIONS) -> list[VersionRef]:
    """Remove old versions of every model, and return them; models that are being trained are left out.

    Current versions, the one that was current before, and the latest `keep` versions of each model stay.

    Raises:
        OSError: a folder cannot be written.
    """
    removed: list[VersionRef] = []
    for model in MODELS:
        if versions_of(folder / model):
            # The run that holds the lock prunes when it publishes.
            with contextlib.suppress(ArtifactError), model_lock(folder / model), store_lock(folder):
                removed += prune_model(folder, model, keep)
    return removed


def make_current(folder: Path, ref: VersionRef, how: PromotionReason) -> None:
    """Make a version current and log it; the store's lock must be held.

    Raises:
        ArtifactError: a `current` is not a link.
        OSError: the folder cannot be written.
    """
    refuse_unless_links(folder, ref.model)
    # Log first: on a full disk, nothing changes.
    with logged_promotion(folder, serving_version(folder), ref, how):
        point_to(folder, ref)


def history_of(folder: Path) -> list[Promotion]:
    """Return the promotions, that of the current version last.

    Raises:
        OSError: the log of promotions cannot be read.
    """
    return promotions_until(folder, serving_version(folder))


def prune_model(folder: Path, model: str, keep: int) -> list[VersionRef]:
    """Remove old versions of a model, and return them; its lock and the lock of the store must be held.

    Raises:
        OSError: the log of promotions, or the model's folder, cannot be read.
    """
    kept = set(_in_use(folder))
    latest = versions_of(folder / model)
    removed = []
    for version in latest[: max(0, len(latest) - keep)]:
        ref = VersionRef(model, version)
        if ref not in kept:
            with contextlib.suppress(OSError):
                if remove_version(folder / model / version):
                    removed.append(ref)
    return removed


def _in_use(folder: Path) -> Iterator[VersionRef]:
    """Yield the versions that must not be removed."""
    current = serving_version(folder)
    if current is not None:
        yield current
    yield from currents_of_models(folder)
    yield from last_champions(history_of(folder))


def _verified(folder: Path, ref: VersionRef) -> Metadata:
    """Return the metadata of a version, after checking every byte.

    It takes seconds for gigabytes: call it without the store's lock, for which others wait.

    Raises:
        ArtifactError: it is damaged, or was made before a user was forgotten. The message names it.
    """
    metadata = _usable(folder, ref)
    try:
        verify(folder / ref.model / ref.version, metadata)
    except ArtifactError as exc:
        raise ArtifactError(f"{ref}: {exc}") from None
    return metadata


def _unchanged(folder: Path, ref: VersionRef, verified: Metadata) -> Metadata:
    """Return the present metadata of a version whose files were checked; the store's lock must be held.

    Raises:
        ArtifactError: it was removed or changed since, or a user was forgotten.
    """
    metadata = _usable(folder, ref)
    if metadata.checksums != verified.checksums:
        raise ArtifactError(f"{ref}: it was changed while it was checked. Try again.")
    return metadata


def _usable(folder: Path, ref: VersionRef) -> Metadata:
    """Return the metadata of a version, whose arrays are not checked.

    Raises:
        ArtifactError: it does not exist, was made by a newer release, or before a user was forgotten. The
            message names it.
    """
    if ref.model not in MODELS:
        raise NewerReleaseError(f"{ref}: it was made by a newer release")
    if not is_there(folder, *ref):
        raise UnknownVersionError(f"{ref}: it does not exist")
    try:
        metadata = read_metadata(folder, *ref)
        _refuse_forgotten(metadata, _forgotten_in(folder))
    except ArtifactError as exc:
        raise ArtifactError(f"{ref}: {exc}") from None
    return metadata


def _forgotten_in(folder: Path) -> Forgotten | None:
    """Return the list of forgotten users; None if it cannot be read."""
    try:
        return read_forgotten(folder)
    except ArtifactError:
        return None


def _refuse_forgotten(metadata: Metadata, forgotten: Forgotten | None) -> None:
    """Refuse a version that was made before a user was forgotten, as servers do.

    Raises:
        ArtifactError: it was, or the list of forgotten users cannot be read.
    """
    if forgotten is None:
        raise ArtifactError(
            "the forgotten users are not known: forgotten.json is damaged, cannot be read, or is of a newer "
            "release"
        )
    if metadata.forgotten != forgotten.state:
        raise ArtifactError(MADE_BEFORE_FORGETTING)


def _lost(folder: Path, metadata: Metadata) -> str | None:
    """Return a description of what a version has lost against the current one, None if not too much."""
    current = serving_version(folder)
    if current is None:
        return None
    try:
        return find_loss(metadata.model, metadata.counts, read_metadata(folder, *current))
    except ArtifactError:
        # An unreadable version cannot be compared with.
        return None


def _prepare_to_serve(folder: Path, metadata: Metadata, *, is_smaller: bool) -> None:
    """Mark a version so that servers accept it for all users, even if it is smaller.

    Fields that a newer release added stay in the file.
    """
    is_accepted = metadata.shrinkage_accepted or is_smaller
    if metadata.provenance.for_all and metadata.shrinkage_accepted == is_accepted:
        return
    path = folder / metadata.model / metadata.version / METADATA
    content = json.loads(path.read_bytes())
    content["provenance"]["for_all"] = True
    content["shrinkage_accepted"] = is_accepted
    replace_text(path, json.dumps(content, indent=2))
