"""Trained models on disk: arrays and a small JSON, published whole, checked on load, mapped into memory."""

import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.errors import ArtefactError

_FORMAT = 3
_CURRENT = "current"
_KEPT_VERSIONS = 2
_METADATA = "metadata.json"

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Metadata:
    """What an artefact says of itself.

    `version`: its name, from the time it was built. `window_start`: where the window of its data begins.
    `counts`: how much it is made of. `checksums`: SHA-256 of each array's file.
    """

    model: str
    version: str
    built_at: str
    window_start: str
    counts: Mapping[str, int]
    libraries: Mapping[str, str]
    checksums: Mapping[str, str]
    format: int = _FORMAT


@dataclass(frozen=True, slots=True)
class Artefact:
    """A loaded artefact; its arrays are read-only maps of files that processes share."""

    metadata: Metadata
    arrays: Arrays


def publish(
    folder: Path, model: str, arrays: Arrays, window_start: str, counts: Mapping[str, int]
) -> Metadata:
    """Write an artefact aside, and make it the current one by a single rename.

    Raises:
        OSError: the folder cannot be written; the current artefact stays.
    """
    home = folder / model
    home.mkdir(parents=True, exist_ok=True)
    built_at = datetime.now(UTC)
    version = built_at.strftime("%Y%m%dT%H%M%S.%fZ")
    aside = home / f".{version}.partial"
    aside.mkdir()
    try:
        for name, array in arrays.items():
            np.save(aside / f"{name}.npy", array, allow_pickle=False)
        metadata = Metadata(
            model=model,
            version=version,
            built_at=built_at.isoformat(),
            window_start=window_start,
            counts=counts,
            libraries={"numpy": np.__version__},
            checksums={name: _checksum(aside / f"{name}.npy") for name in arrays},
        )
        (aside / _METADATA).write_text(json.dumps(asdict(metadata), indent=2))
        aside.rename(home / version)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    link = home / f".{_CURRENT}.{version}"
    link.symlink_to(version)
    link.replace(home / _CURRENT)
    _forget_old_versions(home)
    return metadata


def current_version(folder: Path, model: str) -> str | None:
    """The version that is published, None where there is none."""
    try:
        return (folder / model / _CURRENT).readlink().name
    except OSError:
        return None


def load(folder: Path, model: str, version: str, names: Iterable[str]) -> Artefact:
    """Map an artefact's arrays into memory, after checking every byte of them.

    Raises:
        ArtefactError: it is not complete, not intact, or of another format; the message says which.
    """
    home = folder / model / version
    try:
        metadata = Metadata(**json.loads((home / _METADATA).read_text()))
    except (OSError, ValueError, TypeError) as exc:
        raise ArtefactError(f"{home}: no readable {_METADATA}: {exc}") from exc
    if (metadata.model, metadata.version, metadata.format) != (model, version, _FORMAT):
        raise ArtefactError(f"{home}: {_METADATA} is of another model, version or format")
    arrays = {}
    for name in names:
        path = home / f"{name}.npy"
        try:
            if _checksum(path) != metadata.checksums.get(name):
                raise ArtefactError(f"{path}: the checksum is wrong")
            arrays[name] = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as exc:
            raise ArtefactError(f"{path}: {exc}") from exc
    return Artefact(metadata, arrays)


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _forget_old_versions(home: Path) -> None:
    """Remove all but the latest; what a process has mapped stays its own until it lets go."""
    versions = sorted(path for path in home.iterdir() if path.is_dir() and not path.is_symlink())
    finished = [path for path in versions if not path.name.startswith(".")]
    for path in finished[:-_KEPT_VERSIONS]:
        shutil.rmtree(path, ignore_errors=True)
