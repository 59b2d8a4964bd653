"""Forgets users: notes them, and makes every published model anew without them."""

import fcntl
import os
import re
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from config.setting_types import SettingsError
from recommender.data.dataset import Dataset
from recommender.data.forgotten import FILE, KEY_BYTES, Forgotten, read_forgotten
from recommender.errors import ArtifactError, DatabaseUnavailableError, TrainingMemoryError
from recommender.model_store.artifact import (
    VERSION,
    Metadata,
    current_version,
    read_metadata,
    verify,
)
from recommender.model_store.currents import Promotion, serving_version
from recommender.model_store.folders import make_readable_folder, replace_text
from recommender.model_store.publishing import Publisher, publishing
from recommender.model_store.shrinkage import find_shrinkage
from recommender.models.base import KeepsInteractions
from recommender.models.fitting import UNBOUNDED, Fitting
from recommender.models.registry import MODELS
from recommender.training.publication import Publication, Record, record_nothing

_LOCK = f".{FILE}.lock"
_LOCK_MODE = 0o644
# How long a run that is training the same model is waited for.
_PATIENCE_S = 3_600.0
_MADE_BY = "forget"
# What a killed run leaves; removed when the model's folder is locked.
_LEFTOVER = re.compile(rf"\.{VERSION.pattern}\.partial")


class Way(StrEnum):
    """What became of a model's current version.

    `kept`: it was made without the users; only older ones were not. `fitted`: there is one that has learned
    from the databases without them. `rewritten`: there is one that has learned from the former's own rows
    without theirs. `removed`: there is none any more.
    """

    KEPT = "kept"
    FITTED = "fitted"
    REWRITTEN = "rewritten"
    REMOVED = "removed"


class Remade(NamedTuple):
    """A model whose versions were made with forgotten users, and what became of it.

    `version`: the new current one. `reason`: why it is not fitted to the databases. `removed`: how many
    versions are gone.
    """

    model: str
    way: Way
    version: str | None
    reason: str
    removed: int


class _Source(NamedTuple):
    """What models are made anew from: `data`, which may still have the users; None for a `fault`."""

    data: Dataset | None
    fault: str


def note_forgotten(folder: Path, user_ids: Iterable[str]) -> Forgotten:
    """Add users to the list of those who are forgotten; every worker goes by it from the next request on.

    Args:
        folder: of the models; made where there is none.
        user_ids: in the form in which the databases return them.

    Returns:
        The whole list.

    Raises:
        ArtifactError: the list that is there cannot be read.
        OSError: the folder cannot be written.
    """
    make_readable_folder(folder)
    with _locked(folder / _LOCK):
        known = read_forgotten(folder)
        if not known.key:
            known = Forgotten(secrets.token_bytes(KEY_BYTES))
        forgotten = known.with_users(user_ids)
        if forgotten.state != known.state:
            replace_text(folder / FILE, forgotten.to_json())
        return forgotten


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock that is never held for longer than it takes to write a list."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, _LOCK_MODE)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def remake_models(
    folder: Path,
    read: Callable[[], Dataset],
    *,
    fitting: Fitting = UNBOUNDED,
    accept_shrinkage: bool = False,
    record: Record = record_nothing,
    announce: Callable[[str], None] = lambda _: None,
) -> Iterator[Remade]:
    """Replace or remove every version that was made before users were forgotten, a model at a time.

    A current version is fitted anew with its own hyperparameters: to the databases, else to its own rows. The
    model that was published last is the last one again. Where this is broken off, the versions that are left
    do not serve, and the next call goes on with them.

    Args:
        folder: of the models.
        read: gives the dataset; called once, if there is a model to fit.
        fitting: how much memory learning may take.
        accept_shrinkage: fit models to the databases even if these have far fewer users or pairs than before.
        record: called with what was published.
        announce: called with the name of each model, before it is made anew.

    Raises:
        ArtifactError: a model is being trained and that does not end.
        OSError: a file cannot be written or removed.
    """
    source: _Source | None = None
    for name in stale_models(folder, read_forgotten(folder)):
        announce(name)
        if source is None:
            source = _read(read)
        with publishing(folder, name, wait_s=_PATIENCE_S) as publisher:
            # Again: by now there may be more of them.
            forgotten = read_forgotten(folder)
            yield _remake(
                publisher,
                folder / name,
                forgotten,
                source,
                fitting=fitting,
                accept_shrinkage=accept_shrinkage,
                record=record,
            )


def stale_models(folder: Path, forgotten: Forgotten) -> list[str]:
    """Return the models with a version that was not made without exactly these users, or with leftovers.

    The one that was published first comes first.
    """
    found = []
    for home in folder.iterdir():
        # A model's folder may be on another disk; any other link, as `current`, leads to what is seen anyway.
        if not home.is_dir() or (home.is_symlink() and home.name not in MODELS):
            continue
        if any(_LEFTOVER.fullmatch(path.name) for path in home.iterdir()) or _stale_versions(home, forgotten):
            found.append((_current(home) or "", home.name))
    return [name for _, name in sorted(found)]


def _stale_versions(home: Path, forgotten: Forgotten) -> list[str]:
    """Return the versions that were not made without exactly these users, also those that are links."""
    versions = [path.name for path in home.iterdir() if VERSION.fullmatch(path.name) and path.is_dir()]
    return [version for version in versions if _is_stale(home, version, forgotten)]


def _current(home: Path) -> str | None:
    try:
        return current_version(home.parent, home.name)
    except ArtifactError:
        return None


def _is_stale(home: Path, version: str, forgotten: Forgotten) -> bool:
    try:
        return read_metadata(home.parent, home.name, version).forgotten != forgotten.state
    except ArtifactError:
        # What it was made of is not known. Nothing of it is left if it was removed before.
        return any((home / version).glob("*.npy")) or (home / version / "config.json").exists()


def _read(read: Callable[[], Dataset]) -> _Source:
    try:
        return _Source(read(), "")
    except (DatabaseUnavailableError, SettingsError) as exc:
        return _Source(None, str(exc))


def _remake(
    publisher: Publisher,
    home: Path,
    forgotten: Forgotten,
    source: _Source,
    *,
    fitting: Fitting,
    accept_shrinkage: bool,
    record: Record,
) -> Remade:
    former = publisher.current()
    stale = _stale_versions(home, forgotten)
    publication, version = None, None
    if former is not None and former.version not in stale:
        way, reason, version = Way.KEPT, "", former.version
    else:
        way, data, reason = _data_for(home, former, source, accept_shrinkage=accept_shrinkage)
        publication, fault = _publish(
            publisher, former, data, forgotten=forgotten, fitting=fitting, folder=home.parent
        )
        if publication is None:
            publisher.withdraw()
            way, reason = Way.REMOVED, fault or reason
        else:
            version = publication.metadata.version
    for each in stale:
        # Publishing may have removed some.
        if (home / each).is_dir():
            publisher.remove(each)
    if publication is not None:
        record(publication._replace(versions=publisher.versions()))
    return Remade(home.name, way, version, reason, len(stale))


def _data_for(
    home: Path, former: Metadata | None, source: _Source, *, accept_shrinkage: bool
) -> tuple[Way, Dataset | None, str]:
    """Return what to fit a model to, and why that is not what the databases hold."""
    if former is None or home.name not in MODELS:
        return Way.REMOVED, None, "its current version cannot be read"
    if source.data is None:
        reason = source.fault
    else:
        lost = None if accept_shrinkage else find_shrinkage(source.data.counts, former.counts)
        if lost is None:
            return Way.FITTED, source.data, ""
        reason = f"engagement_db gives {lost} than it has"
    try:
        verify(home / former.version, former)
        model = MODELS[home.name].load_class().load(home / former.version)
    except ArtifactError as exc:
        return Way.REMOVED, None, f"{reason}; {exc}"
    if isinstance(model, KeepsInteractions):
        return Way.REWRITTEN, model.interactions(former.window_start), reason
    return Way.REMOVED, None, reason


def _publish(
    publisher: Publisher,
    former: Metadata | None,
    data: Dataset | None,
    *,
    forgotten: Forgotten,
    fitting: Fitting,
    folder: Path,
) -> tuple[Publication | None, str]:
    """Fit a model as its former version was, and publish it; None, and why, where that cannot be.

    Which model serves all does not change.
    """
    if former is None or data is None:
        return None, ""
    data = forgotten.leave_out(data)
    if not all(data.counts.values()):
        return None, "nothing is left to learn from"
    model = MODELS[former.model].make(former.hyperparameters)
    try:
        model.fit(data, fitting)
    except TrainingMemoryError as exc:
        return None, str(exc)
    # However many are forgotten: that is on purpose.
    provenance = replace(former.provenance, made_by=_MADE_BY)
    serving = serving_version(folder)
    serves = serving is None or serving.model == former.model
    promotion = Promotion.ALL if serves else Promotion.MODEL
    metadata = publisher.publish(model, data, provenance, shrinkage_accepted=True, promotion=promotion)
    return Publication(model, data, metadata, [metadata.version]), ""
