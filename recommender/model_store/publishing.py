"""Publishes trained models: one writer at a time, whole versions, names that only go up."""

import contextlib
import fcntl
import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from recommender import __version__
from recommender.data.dataset import Dataset
from recommender.errors import ArtifactError
from recommender.model_store.artifact import (
    CURRENT,
    KNOWN_ITEMS,
    METADATA,
    OWN_SUFFIXES,
    VERSION,
    Metadata,
    Provenance,
    checksums_of,
    current_version,
    read_metadata,
)
from recommender.model_store.fingerprints import fingerprint_of
from recommender.model_store.folders import make_readable, make_readable_folder
from recommender.models.base import TrainableModel

_KEPT_VERSIONS = 2
_LOCK = ".lock"
_VERSION_FORMAT = "%Y%m%dT%H%M%S.%fZ"
_PARTIAL = re.compile(rf"\.{VERSION.pattern}\.partial")
_NEW_LINK = re.compile(rf"\.{CURRENT}\.{VERSION.pattern}")
_LOCK_MODE = 0o644


class Publisher:
    """Writes versions of a model into its folder, `home`; made by `publishing`, which holds the lock."""

    def __init__(self, home: Path) -> None:
        self._home = home

    def former(self) -> Metadata | None:
        """What the current version says of itself; the newest that can be read, where that one cannot."""
        newest_first = sorted(_versions(self._home), reverse=True)
        current = current_version(self._home.parent, self._home.name)
        for version in [current, *newest_first] if current else newest_first:
            with contextlib.suppress(ArtifactError):
                return read_metadata(self._home.parent, self._home.name, version)
        return None

    def publish(
        self,
        model: TrainableModel,
        data: Dataset,
        provenance: Provenance,
        *,
        shrinkage_accepted: bool = False,
    ) -> Metadata:
        """Write a version aside, make it the current one by a single rename, and remove old ones.

        Args:
            model: what was fitted to `data`.
            provenance: how that came to be.
            shrinkage_accepted: it may replace a model of far more users.

        Raises:
            OSError: the folder cannot be written; the current version stays.
            ArtifactError: there is no later name than that of a version which is there.
        """
        version = _next_version(self._home)
        aside = self._home / f".{version}.partial"
        aside.mkdir()
        try:
            model.save(aside)
            # As the servers will: what they could not use is not published, and kernels are compiled before.
            type(model).load(aside)
            metadata = Metadata(
                model=self._home.name,
                version=version,
                built_at=_now().isoformat(),
                window_start=data.window_start,
                counts={**data.counts, KNOWN_ITEMS: len(model.items)},
                libraries={"numpy": np.__version__},
                checksums=checksums_of(aside),
                hyperparameters=model.config.model_dump(mode="json"),
                fingerprint=fingerprint_of(data),
                code_version=__version__,
                provenance=provenance,
                shrinkage_accepted=shrinkage_accepted,
            )
            (aside / METADATA).write_text(json.dumps(asdict(metadata), indent=2))
            for path in (*aside.iterdir(), aside):
                make_readable(path)
            aside.rename(self._home / version)
        except BaseException:
            shutil.rmtree(aside, ignore_errors=True)
            raise
        link = self._home / f".{CURRENT}.{version}"
        link.symlink_to(version)
        link.replace(self._home / CURRENT)
        _remove_old_versions(self._home, current=version)
        return metadata


@contextlib.contextmanager
def publishing(folder: Path, model: str) -> Iterator[Publisher]:
    """A publisher that has the model's folder to itself; what killed ones left half written is removed.

    Raises:
        ArtifactError: another process is publishing there, or `current` is not a link that can be replaced.
        OSError: the folder cannot be made or written.
    """
    home = folder / model
    make_readable_folder(home)
    # Never removed: two processes could otherwise each hold the lock of another file of this name.
    lock = os.open(home / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, _LOCK_MODE)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ArtifactError(
                f"{home}: another run is training this model. Nothing is published; wait for that one to end."
            ) from None
        current = home / CURRENT
        if current.exists() and not current.is_symlink():
            raise ArtifactError(f"{current} is not a symbolic link. Remove it and train again.")
        _remove_leftovers(home)
        yield Publisher(home)
    finally:
        os.close(lock)


def _now() -> datetime:
    return datetime.now(UTC)


def _next_version(home: Path) -> str:
    """A name after all that are there: workers and the removal of old versions go by the order of names."""
    moment = _now()
    try:
        for version in _versions(home):
            earlier = datetime.strptime(version, _VERSION_FORMAT).replace(tzinfo=UTC)
            moment = max(moment, earlier + timedelta(microseconds=1))
    except OverflowError:
        raise ArtifactError(
            f"{home / version}: no version can be later. Remove it and train again."
        ) from None
    return moment.strftime(_VERSION_FORMAT)


def _versions(home: Path) -> list[str]:
    """The versions that have a folder, and the one that `current` names."""
    names = {path.name for path in home.iterdir() if path.is_dir() and not path.is_symlink()}
    with contextlib.suppress(ArtifactError):
        names.add(current_version(home.parent, home.name) or "")
    return [name for name in names if _is_version(name)]


def _is_version(name: str) -> bool:
    """Whether this program may have made the name: other folders are not its to look at or remove."""
    if not VERSION.fullmatch(name):
        return False
    try:
        datetime.strptime(name, _VERSION_FORMAT).replace(tzinfo=UTC)
    except ValueError:
        return False
    return True


def _remove_leftovers(home: Path) -> None:
    """Remove what killed runs had begun: the lock is held, so nothing of it is in use."""
    for path in home.iterdir():
        if path.is_symlink():
            if _NEW_LINK.fullmatch(path.name):
                path.unlink()
        elif path.is_dir() and _PARTIAL.fullmatch(path.name):
            _remove_version(path)


def _remove_old_versions(home: Path, current: str) -> None:
    """Remove all but the latest; what a process has mapped stays its own until it lets go."""
    versions = sorted(_versions(home))
    for version in versions[:-_KEPT_VERSIONS]:
        if version != current:
            _remove_version(home / version)


def _remove_version(path: Path) -> None:
    """Remove the files a version is made of, and its folder where nothing else is in it."""
    with contextlib.suppress(OSError):
        for file in path.iterdir():
            if file.suffix in OWN_SUFFIXES:
                file.unlink()
        path.rmdir()
