"""Trained models on disk: arrays and a small JSON file, checked byte by byte, mapped into memory."""

import hashlib
import re
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from recommender.errors import ArtefactError

FORMAT = 3
CURRENT = "current"
METADATA = "metadata.json"
VERSION = re.compile(r"[0-9]{8}T[0-9]{6}\.[0-9]{6}Z")

# Several hundred times what one has.
_MAX_METADATA_BYTES = 1 << 20
_LONGEST_REASON = 200

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Metadata:
    """What an artefact says of itself.

    `version`: its name; later ones sort after earlier ones. `window_start`: where the window of its data
    begins. `counts`: how many users, media and pairs it is made of. `checksums`: SHA-256 of each array's
    file. `shrinkage_accepted`: it was published to replace a larger one on purpose.
    """

    model: str
    version: str
    built_at: str
    window_start: str
    counts: Mapping[str, int]
    libraries: Mapping[str, str]
    checksums: Mapping[str, str]
    format: int = FORMAT
    shrinkage_accepted: bool = False


@dataclass(frozen=True, slots=True)
class Artefact:
    """A loaded artefact; its arrays are read-only maps of files that processes share."""

    metadata: Metadata
    arrays: Arrays


_METADATA_READER = TypeAdapter(Metadata)


def current_version(folder: Path, model: str) -> str | None:
    """The version that is published, None where there is none.

    Raises:
        ArtefactError: `current` cannot be read, or is no link to a version.
    """
    try:
        name = (folder / model / CURRENT).readlink().name
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as exc:
        raise ArtefactError(f"{CURRENT} cannot be read as a symbolic link: {exc.strerror}") from None
    if not VERSION.fullmatch(name):
        raise ArtefactError(f"{CURRENT} is a link to something that is no version")
    return name


def is_there(folder: Path, model: str, version: str) -> bool:
    """Whether a version has a folder; what is in it may still be incomplete."""
    return (folder / model / version).is_dir()


def signature(folder: Path, model: str, version: str) -> tuple[object, ...]:
    """Something that differs once a version's files, or the rights to read them, have changed."""
    home = folder / model / version
    try:
        found = [(path.name, path.stat()) for path in sorted(home.iterdir())]
    except OSError as exc:
        return (exc.errno,)
    return tuple((name, s.st_ino, s.st_size, s.st_mtime_ns, s.st_ctime_ns, s.st_mode) for name, s in found)


def read_metadata(folder: Path, model: str, version: str) -> Metadata:
    """What a version says of itself.

    Raises:
        ArtefactError: it cannot be read, or is of another model, version or format.
    """
    path = folder / model / version / METADATA
    try:
        _refuse_unless_file(path)
        with path.open("rb") as file:
            text = file.read(_MAX_METADATA_BYTES)
        metadata = _METADATA_READER.validate_json(text, strict=True)
        is_aware = datetime.fromisoformat(metadata.built_at).tzinfo is not None
    except ValidationError as exc:
        raise ArtefactError(f"{METADATA} is not as it must be: {exc.errors()[0]['msg']}") from None
    except OSError as exc:
        raise ArtefactError(f"{METADATA} cannot be read: {exc.strerror}") from None
    except ValueError:
        is_aware = False
    if not is_aware:
        raise ArtefactError(f"{METADATA}: built_at is no time with a time zone")
    if (metadata.model, metadata.version, metadata.format) != (model, version, FORMAT):
        raise ArtefactError(f"{METADATA} is of another model, version or format")
    return metadata


def load(folder: Path, model: str, version: str, names: Iterable[str]) -> Artefact:
    """Map an artefact's arrays into memory, after checking every byte of them against its checksum.

    Raises:
        ArtefactError: it is not complete, not intact, or of another format. The message says what is wrong,
            without the folder's path.
    """
    metadata = read_metadata(folder, model, version)
    home = folder / model / version
    return Artefact(
        metadata, {name: _map(home / f"{name}.npy", metadata.checksums.get(name)) for name in names}
    )


def checksum(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _map(path: Path, expected: str | None) -> NDArray[Any]:
    try:
        _refuse_unless_file(path)
        if checksum(path) != expected:
            raise ArtefactError(f"{path.name}: the checksum is wrong")
        array: NDArray[Any] = np.lib.format.open_memmap(path, mode="r")
    except OSError as exc:
        raise ArtefactError(f"{path.name} cannot be read: {exc.strerror or exc}") from None
    except (ValueError, TypeError, OverflowError) as exc:
        raise ArtefactError(f"{path.name} is no array: {str(exc)[:_LONGEST_REASON]}") from None
    return array


def _refuse_unless_file(path: Path) -> None:
    # Opening a named pipe would wait for a writer.
    if not stat.S_ISREG(path.stat().st_mode):
        raise ArtefactError(f"{path.name} is not a file")
