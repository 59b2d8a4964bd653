"""Forget users: list them, and remake every published model without them."""

import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from config.setting_types import SettingsError
from recommender.data.dataset import Dataset
from recommender.data.forgotten import FILE, KEY_BYTES, Forgotten, read_forgotten
from recommender.errors import ArtifactError, DatabaseUnavailableError, MarqueeError
from recommender.model_store.artifact import (
    VERSION,
    Metadata,
    current_version,
    forgotten_state,
    read_metadata,
    verify,
)
from recommender.model_store.currents import (
    PromotionScope,
    VersionRef,
    is_of_newer_release,
    serving_version,
)
from recommender.model_store.folders import make_readable_folder, replace_text
from recommender.model_store.publishing import ForgottenMeanwhileError, Publisher, publishing
from recommender.model_store.shrinkage import find_shrinkage
from recommender.model_store.versions import PARTIAL, model_folders
from recommender.models.base import KeepsInteractions
from recommender.models.fitting import UNBOUNDED, Fitting
from recommender.models.registry import MODELS
from recommender.system.file_locks import holding
from recommender.training.publication import Publication, RecordPublication, record_nothing

_LOCK = f".{FILE}.lock"
# The work under this lock takes about a second for a list of 200,000 users.
_LIST_PATIENCE_S = 60.0
# How many seconds to wait for a run that is training the same model.
_PATIENCE_S = 3_600.0
_MADE_BY = "forget"


class VersionOutcome(StrEnum):
    """What happened to a model's current version.

    `kept`: it was made without the users; only older ones were removed. `fitted`: replaced by one fitted to
    the databases without them. `rewritten`: replaced by one fitted to its own rows without theirs. `removed`:
    not replaced.
    """

    KEPT = "kept"
    FITTED = "fitted"
    REWRITTEN = "rewritten"
    REMOVED = "removed"


class RemovalResult(NamedTuple):
    """The result for a model with versions that were made with forgotten users.

    `version`: the new current one. `reason`: why it is not fitted to the databases. `removed`: the number of
    removed versions. `is_recorded`: a new version, if there is one, is recorded.
    """

    model: str
    outcome: VersionOutcome
    version: str | None
    reason: str
    removed: int
    is_recorded: bool


class _Source(NamedTuple):
    """The data for remaking models, which may still include the users; None with a `fault`."""

    data: Dataset | None
    fault: str


def note_forgotten(folder: Path, user_ids: Iterable[str]) -> Forgotten:
    """Add users to the list of forgotten users, which every worker applies from the next request on.

    Args:
        folder: of the models; made if it is missing.
        user_ids: in the form in which the databases return them.

    Returns:
        The whole list.

    Raises:
        ArtifactError: the existing list cannot be read, or another process has held its lock for a minute.
        OSError: the folder cannot be written.
    """
    make_readable_folder(folder)
    busy = ArtifactError(f"{folder / FILE}: another process is changing it. Try again later.")
    ids = list(user_ids)
    while True:
        # Before the lock, for which others wait: digests of many users take seconds.
        key = read_forgotten(folder).key or secrets.token_bytes(KEY_BYTES)
        added = Forgotten(key).with_users(ids)
        with holding(folder / _LOCK, _LIST_PATIENCE_S, busy):
            known = read_forgotten(folder)
            if known.key not in {b"", key}:
                # Another process has made the list meanwhile.
                continue
            forgotten = replace(added, users={**known.users, **added.users})
            # Not only the ids: an earlier version had no fingerprints of texts.
            if forgotten.users != known.users:
                replace_text(folder / FILE, forgotten.to_json())
            return forgotten


def remake_models(
    folder: Path,
    read: Callable[[], Dataset],
    *,
    fitting: Fitting = UNBOUNDED,
    accept_shrinkage: bool = False,
    record: RecordPublication = record_nothing,
    announce: Callable[[str], None] = lambda _: None,
) -> Iterator[RemovalResult]:
    """Replace or remove every version that was made before users were forgotten, one model at a time.

    A current version is fitted again with its own hyperparameters: to the databases, else to its own rows.
    The models keep their order of publication. After an interruption, the remaining versions do not serve,
    and the next call continues with them.

    Args:
        folder: of the models.
        read: returns the dataset; called once, if there is a model to fit.
        fitting: the memory limit of learning.
        accept_shrinkage: fit models to the databases even if these have far fewer users or pairs than before.
        record: called with each publication.
        announce: called with the name of each model, before it is remade.

    Raises:
        ArtifactError: a training of one of the models does not end in time.
        OSError: a file cannot be written; or, after all models, the first that could not be removed.
    """
    source: _Source | None = None
    faults: list[OSError] = []
    remake = partial(
        _remake, fitting=fitting, accept_shrinkage=accept_shrinkage, record=record, faults=faults
    )
    for name in stale_models(folder, read_forgotten(folder)):
        announce(name)
        if source is None:
            source = _read(read)
        with publishing(folder, name, wait_s=_PATIENCE_S) as publisher:
            remade = None
            while remade is None:
                # Users who are forgotten meanwhile must not be in it: then it is remade once more.
                with suppress(ForgottenMeanwhileError):
                    remade = remake(publisher, folder / name, read_forgotten(folder), source)
            yield remade
    if faults:
        raise faults[0]


def stale_models(folder: Path, forgotten: Forgotten) -> list[str]:
    """Return the models with leftovers or with a version made without the current list of forgotten users.

    They are in the order of publication.
    """
    found = [
        (_current(home) or "", home.name)
        for home in model_folders(folder)
        if any(PARTIAL.fullmatch(path.name) for path in home.iterdir()) or _stale_versions(home, forgotten)
    ]
    return [name for _, name in sorted(found)]


def _stale_versions(home: Path, forgotten: Forgotten) -> list[str]:
    """Return the versions made without the current list of forgotten users, also those that are links."""
    versions = [path.name for path in home.iterdir() if VERSION.fullmatch(path.name) and path.is_dir()]
    return [version for version in versions if _is_stale(home, version, forgotten)]


def _current(home: Path) -> str | None:
    try:
        return current_version(home.parent, home.name)
    except ArtifactError:
        return None


def _is_stale(home: Path, version: str, forgotten: Forgotten) -> bool:
    try:
        return forgotten_state(home.parent, home.name, version) != forgotten.state
    except ArtifactError:
        # Its data is unknown: treat it as stale unless all its files were removed before.
        try:
            files = list((home / version).iterdir())
        except OSError:
            return True
        return any(file.suffix == ".npy" or file.name == "config.json" for file in files)


def _read(read: Callable[[], Dataset]) -> _Source:
    try:
        return _Source(read(), "")
    except (DatabaseUnavailableError, SettingsError, MemoryError) as exc:
        return _Source(None, _reason_of(exc))


def _reason_of(exc: Exception) -> str:
    """Return in one line why something failed."""
    match exc:
        case MarqueeError() | SettingsError():
            return str(exc)
        case ValidationError():
            error = exc.errors()[0]
            return f"its hyperparameters are not valid: {'.'.join(map(str, error['loc']))}: {error['msg']}"
        case MemoryError():
            return "there is not enough memory"
        case _:
            return " ".join(f"learning failed: {type(exc).__name__}: {exc}".split())


def _remake(
    publisher: Publisher,
    home: Path,
    forgotten: Forgotten,
    source: _Source,
    *,
    fitting: Fitting,
    accept_shrinkage: bool,
    record: RecordPublication,
    faults: list[OSError],
) -> RemovalResult:
    """Remake a model whose lock is held. `faults`: gets the errors of files that cannot be removed."""
    former = _version_to_remake(publisher, home)
    stale = _stale_versions(home, forgotten)
    publication = None
    version = _of_newer_release(home) if former is None else former.version
    if version is not None and version not in stale:
        outcome, reason = VersionOutcome.KEPT, ""
    else:
        outcome, data, reason = _data_for(home, former, source, accept_shrinkage=accept_shrinkage)
        publication, fault = _publish(
            publisher, former, data, forgotten=forgotten, fitting=fitting, folder=home.parent
        )
        if publication is None:
            publisher.withdraw()
            version = None
            outcome, reason = VersionOutcome.REMOVED, fault or reason
        else:
            version = publication.metadata.version
    removed = _remove(publisher, home, stale, faults)
    is_recorded = publication is None or record(publication._replace(versions=publisher.versions()))
    return RemovalResult(home.name, outcome, version, reason, removed, is_recorded)


def _remove(publisher: Publisher, home: Path, stale: Sequence[str], faults: list[OSError]) -> int:
    """Remove versions and what killed trainings left; return how many versions are gone."""
    removed = 0
    for version in stale:
        try:
            # Publishing may have removed it.
            if (home / version).is_dir():
                publisher.remove(version)
            removed += 1
        except OSError as exc:
            faults.append(exc)
    try:
        publisher.remove_unfinished()
    except OSError as exc:
        faults.append(exc)
    return removed


def _version_to_remake(publisher: Publisher, home: Path) -> Metadata | None:
    """Return the version of a model that serves all users, else its current one; None if it cannot be read.

    The current version may be one of an experiment, whose hyperparameters must not serve all users.
    """
    serving = serving_version(home.parent)
    if serving is not None and serving.model == home.name:
        with suppress(ArtifactError):
            return read_metadata(home.parent, *serving)
    return publisher.current()


def _of_newer_release(home: Path) -> str | None:
    """Return the current version of a model if a newer release made it, else None."""
    version = _current(home)
    if version is not None and is_of_newer_release(home.parent, VersionRef(home.name, version)):
        return version
    return None


def _data_for(
    home: Path, former: Metadata | None, source: _Source, *, accept_shrinkage: bool
) -> tuple[VersionOutcome, Dataset | None, str]:
    """Return the data to fit a model to, and, if it is not from the databases, why."""
    if home.name not in MODELS:
        return (
            VersionOutcome.REMOVED,
            None,
            "this release does not know the model: a newer release made it",
        )
    if former is None:
        made = "was made by a newer release" if _of_newer_release(home) else "cannot be read"
        return VersionOutcome.REMOVED, None, f"its current version {made}"
    if source.data is None:
        reason = source.fault
    else:
        lost = None if accept_shrinkage else find_shrinkage(source.data.counts, former.counts)
        if lost is None:
            return VersionOutcome.FITTED, source.data, ""
        reason = f"engagement_db gives {lost} than it has"
    try:
        verify(home / former.version, former)
        model = MODELS[home.name].load_class().load(home / former.version)
    except ArtifactError as exc:
        return VersionOutcome.REMOVED, None, f"{reason}; {exc}"
    if isinstance(model, KeepsInteractions):
        return VersionOutcome.REWRITTEN, model.interactions(former.window_start), reason
    return VersionOutcome.REMOVED, None, reason


def _publish(
    publisher: Publisher,
    former: Metadata | None,
    data: Dataset | None,
    *,
    forgotten: Forgotten,
    fitting: Fitting,
    folder: Path,
) -> tuple[Publication | None, str]:
    """Fit a model like its former version, and publish it; return None and the reason if that fails.

    If the former version serves all users, the new one does, too.
    """
    if former is None or data is None:
        return None, ""
    data = forgotten.leave_out(data)
    if not all(data.counts.values()):
        return None, "nothing is left to learn from"
    try:
        model = MODELS[former.model].make(former.hyperparameters)
        model.fit(data, fitting)
    except Exception as exc:  # noqa: BLE001 - whatever it is, the other models must forget the users, too
        return None, _reason_of(exc)
    # Any number of users may be forgotten: the loss is intended.
    provenance = replace(former.provenance, made_by=_MADE_BY)
    serving = serving_version(folder)
    serves = serving is not None and serving.model == former.model
    promotion = PromotionScope.ALL if serves else PromotionScope.MODEL
    metadata = publisher.publish(model, data, provenance, shrinkage_accepted=True, promotion=promotion)
    is_current = publisher.is_current(metadata.version)
    return Publication(model, data, metadata, [metadata.version], is_current), ""
