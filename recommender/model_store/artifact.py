"""A version of a model on disk: the model's own files, and the version's metadata."""

import contextlib
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from recommender.entities import Blend
from recommender.errors import ArtifactError, NewerReleaseError
from recommender.model_store.small_files import read_small_json
from recommender.models.files import refuse_unless_file

FORMAT = 4
CURRENT = "current"
METADATA = "metadata.json"
VERSION = re.compile(r"[0-9]{8}T[0-9]{6}\.[0-9]{6}Z")

_COUNTED = {"users", "media", "pairs"}
# Key in the counts of an artifact: the number of items that the model can score.
KNOWN_ITEMS = "known_media"
# Keys of checksums: file names, those of arrays without their suffix.
_ARRAY_SUFFIX = ".npy"
# Suffixes of the files that models write.
OWN_SUFFIXES = (_ARRAY_SUFFIX, ".json")


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Identifies a dataset.

    `first_at`, `last_at`: ISO 8601, of the earliest and latest interaction; None if none has a time.
    `ids_checksum`: SHA-256 of all ids of users and items, in hexadecimal.
    """

    first_at: str | None
    last_at: str | None
    ids_checksum: str


@dataclass(frozen=True, slots=True)
class Provenance:
    """How a version was made.

    `made_by`: the command or the trainer. `run`: the number of the training run that chose it. `blend`: the
    blend it was chosen with; None for the configured one. `metrics`: those it was chosen by, as mean and
    bounds of the 95 % interval. `for_all`: it may serve all users; False if it was made for an experiment.
    """

    made_by: str
    run: int | None = None
    blend: Blend | None = None
    metrics: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)
    for_all: bool = True


@dataclass(frozen=True, slots=True)
class Metadata:
    """The metadata of an artifact.

    `version`: its name; later versions sort after earlier ones. `window_start`: start of its data's window.
    `counts`: its numbers of users, media and pairs. `checksums`: SHA-256 of each file that the model wrote.
    `code_version`: of this program. `shrinkage_accepted`: it was deliberately published to replace a larger
    one. `host`: the name of the machine that made it. `forgotten`: the state of the list of forgotten users
    that it was made without.
    """

    model: str
    version: str
    built_at: str
    window_start: str
    counts: Mapping[str, int]
    libraries: Mapping[str, str]
    checksums: Mapping[str, str]
    hyperparameters: Mapping[str, Any]
    fingerprint: Fingerprint
    code_version: str
    provenance: Provenance
    format: int = FORMAT
    shrinkage_accepted: bool = False
    host: str = ""
    forgotten: str | None = None


_METADATA_READER = TypeAdapter(Metadata)


class _OfAnyFormat(BaseModel):
    """The fields of metadata that mean the same in each format; see `Metadata`."""

    format: int
    forgotten: str | None = None


def current_version(folder: Path, model: str) -> str | None:
    """Return the version that is published, None if there is none.

    Raises:
        ArtifactError: `current` cannot be read, or is not a link to a version.
    """
    try:
        name = (folder / model / CURRENT).readlink().name
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as exc:
        raise ArtifactError(f"{CURRENT} cannot be read as a symbolic link: {exc.strerror}") from None
    if not VERSION.fullmatch(name):
        raise ArtifactError(f"{CURRENT} links to something that is not a version")
    return name


def is_there(folder: Path, model: str, version: str) -> bool:
    """Return whether a version has a readable folder, whose content may still be incomplete."""
    try:
        return (folder / model / version).is_dir()
    except OSError:
        return False


def signature(folder: Path, model: str, version: str) -> tuple[object, ...]:
    """Return a value that changes with a version's files and with the rights to read them."""
    home = folder / model / version
    try:
        found = [(path.name, path.stat()) for path in sorted(home.iterdir())]
    except OSError as exc:
        return (exc.errno,)
    return tuple((name, s.st_ino, s.st_size, s.st_mtime_ns, s.st_ctime_ns, s.st_mode) for name, s in found)


def read_metadata(folder: Path, model: str, version: str) -> Metadata:
    """Return the metadata of a version.

    Raises:
        NewerReleaseError: it is in a newer format.
        ArtifactError: it cannot be read, or is of another model, version or format.
    """
    path = folder / model / version / METADATA
    try:
        text = read_small_json(path)
        _refuse_newer_format(text)
        metadata = _METADATA_READER.validate_json(text, strict=True)
        is_aware = datetime.fromisoformat(metadata.built_at).tzinfo is not None
    except ValidationError as exc:
        raise ArtifactError(f"{METADATA} is not valid: {exc.errors()[0]['msg']}") from None
    except OSError as exc:
        raise ArtifactError(f"{METADATA} cannot be read: {exc.strerror}") from None
    except ValueError:
        is_aware = False
    if not is_aware:
        raise ArtifactError(f"{METADATA}: built_at must be a time with a time zone")
    if not metadata.counts.keys() >= _COUNTED:
        raise ArtifactError(f"{METADATA}: counts must include users, media and pairs")
    if (metadata.model, metadata.version, metadata.format) != (model, version, FORMAT):
        raise ArtifactError(f"{METADATA} names another model, version or format")
    return metadata


def forgotten_state(folder: Path, model: str, version: str) -> str | None:
    """Return the state of the list of forgotten users that a version was made without, in any format.

    Raises:
        ArtifactError: its metadata cannot be read.
    """
    try:
        return read_metadata(folder, model, version).forgotten
    except NewerReleaseError:
        text = read_small_json(folder / model / version / METADATA)
        return _OfAnyFormat.model_validate_json(text).forgotten


def _refuse_newer_format(text: bytes) -> None:
    """Refuse metadata in a newer format, whose other fields may not be valid in this one.

    Raises:
        NewerReleaseError: it is in a newer format.
    """
    with contextlib.suppress(ValidationError):
        if _OfAnyFormat.model_validate_json(text).format > FORMAT:
            raise NewerReleaseError(f"{METADATA} has a newer format: it was made by a newer release")


def verify(home: Path, metadata: Metadata) -> None:
    """Check every byte of a version's files against their checksums.

    Raises:
        ArtifactError: a file is missing or damaged. The message names the file, without its folder.
    """
    for name, expected in metadata.checksums.items():
        path = home / (name if "." in name else f"{name}{_ARRAY_SUFFIX}")
        try:
            refuse_unless_file(path)
            found = _sha256(path)
        except OSError as exc:
            raise ArtifactError(f"{path.name} cannot be read: {exc.strerror or exc}") from None
        if found != expected:
            raise ArtifactError(f"{path.name}: the checksum is wrong")
    for path in home.iterdir():
        if path.suffix in OWN_SUFFIXES and path.name != METADATA and _name_of(path) not in metadata.checksums:
            raise ArtifactError(f"{path.name}: it has no checksum in metadata.json")


def checksums_of(home: Path) -> dict[str, str]:
    """Return the SHA-256 of each file, in hexadecimal."""
    return {_name_of(path): _sha256(path) for path in sorted(home.iterdir())}


def _name_of(path: Path) -> str:
    return path.name.removesuffix(_ARRAY_SUFFIX)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
