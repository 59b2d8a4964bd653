"""The list of forgotten users, kept as digests in a file beside the models."""

import logging
import math
import stat
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path
from typing import Annotated, NamedTuple, Protocol, TypeVar
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from recommender.data.dataset import Dataset
from recommender.errors import ArtifactError
from recommender.system.timely import TimelyReader

logger = logging.getLogger(__name__)

# Beside the folders of models, none of which may have this name.
FILE = "forgotten.json"
# Why a version is refused.
MADE_BEFORE_FORGETTING = "it was made before a user was forgotten: run `forget` again, or train"

_DIGEST_BYTES, _STATE_BYTES, KEY_BYTES = 16, 8, 32
# Seconds until a file that could not be read is read again.
_READ_AGAIN_S = 1.0
# Seconds that a request waits for the file. It takes microseconds, unless a network share hangs.
_PATIENCE_S = 0.5
# Seconds that a request waits while another reads a changed list, which takes seconds for a million users.
_READING_PATIENCE_S = 10.0
_UUID_BYTES, _INTEGER_BYTES, _TEXT_BYTES = 16, 8, 32
# This many hashed bits of a binary id are compared first: few users share them, and they identify no user.
_FINGERPRINT_BITS = 24
# The type of the words of a key, as the databases send them.
_WORD = np.dtype(">u8")
_HEX = r"[0-9a-f]*"


class _ForgottenFile(BaseModel):
    """The file's content. `users`: the fingerprint of the binary id by digest, -1 if there is none."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    key: str = Field(pattern=_HEX, min_length=2 * KEY_BYTES, max_length=2 * KEY_BYTES)
    users: dict[str, Annotated[int, Field(ge=-1, lt=1 << _FINGERPRINT_BITS)]]


class _NewerForgottenFile(_ForgottenFile):
    """The part of the content that this release knows."""

    model_config = ConfigDict(extra="ignore")


class NewerListError(ArtifactError):
    """The list has fields of a newer release. `known`: the list without them."""

    def __init__(self, message: str, known: "Forgotten") -> None:
        super().__init__(message)
        self.known = known


class _OfUser(Protocol):
    @property
    def user_id(self) -> str: ...


Row = TypeVar("Row", bound=_OfUser)


@dataclass(frozen=True, slots=True)
class Forgotten:
    """The forgotten users, as keyed digests of their ids (BLAKE2b, 128 bits).

    `key`: random, for the digests. `users`: by digest in hexadecimal, the fingerprint of the binary
    id, -1 for an id without a binary form. `state`: a digest of the list, stored with models that are made
    without these users; None for an empty list.
    """

    key: bytes = b""
    users: dict[str, int] = field(default_factory=dict)
    state: str | None = field(init=False)
    _fingerprints: NDArray[np.uint32] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Compute the derived fields."""
        object.__setattr__(self, "state", _state_of(self.key, self.users))
        fingerprints = np.fromiter(self.users.values(), dtype=np.int64, count=len(self.users))
        known = np.unique(fingerprints[fingerprints >= 0]).astype(np.uint32)
        object.__setattr__(self, "_fingerprints", known)

    def __bool__(self) -> bool:
        return bool(self.users)

    def __contains__(self, user_id: str) -> bool:
        return bool(self.users) and self._digest(user_id) in self.users

    def with_users(self, user_ids: Iterable[str]) -> "Forgotten":
        """Return a list with more users; the key must be set."""
        ids = list(user_ids)
        added = zip(map(self._digest, ids), self._fingerprints_of_ids(ids), strict=True)
        return replace(self, users={**self.users, **dict(added)})

    def to_json(self) -> str:
        """Return the content of the file."""
        return _ForgottenFile(key=self.key.hex(), users=self.users).model_dump_json(indent=1) + "\n"

    def rows_of_others(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Yield the rows of users who are not forgotten."""
        return (row for row in rows if row.user_id not in self) if self else iter(rows)

    def leave_out(self, data: Dataset) -> Dataset:
        """Return a dataset without these users, and without items that no other user has.

        It equals a dataset read from databases without these users.
        """
        if not self:
            return data
        kept = np.array([user_id not in self for user_id in data.user_ids], dtype=np.bool_)
        return replace(_of_users(data, kept), forgotten=self.state)

    def among_keys(self, keys: bytes, count: int) -> NDArray[np.bool_]:
        """Return a mask of the binary ids that are those of forgotten users.

        Args:
            keys: concatenated ids of equal width: 16 bytes of a UUID, 8 of an integer, or 32 of a text with
                blanks at its end.
            count: the number of ids.
        """
        found = np.zeros(count, dtype=np.bool_)
        if not count or not len(self._fingerprints):
            return found
        width = len(keys) // count
        known = np.isin(self._fingerprints_of(keys, count), self._fingerprints)
        candidates = np.flatnonzero(known | _other_form_mask(keys, count))
        for idx in candidates.tolist():
            key = keys[idx * width : (idx + 1) * width]
            found[idx] = _id_of_key(key) in self
        return found

    def _digest(self, user_id: str) -> str:
        return blake2b(user_id.encode(), key=self.key, digest_size=_DIGEST_BYTES).hexdigest()

    def _fingerprints_of_ids(self, ids: Sequence[str]) -> list[int]:
        """Return the fingerprint of each id, -1 for one without a binary form."""
        fingerprints = np.full(len(ids), -1, dtype=np.int64)
        keys = [_key_of_id(each) or b"" for each in ids]
        widths = np.array([len(key) for key in keys], dtype=np.int64)
        for width in (_UUID_BYTES, _INTEGER_BYTES, _TEXT_BYTES):
            alike = np.flatnonzero(widths == width)
            joined = b"".join(keys[idx] for idx in alike.tolist())
            fingerprints[alike] = self._fingerprints_of(joined, len(alike)) if len(alike) else -1
        return fingerprints.tolist()

    def _fingerprints_of(self, keys: bytes, count: int) -> NDArray[np.uint32]:
        """Return the upper bits of a weighted sum of the words of each key."""
        words = np.frombuffer(keys, dtype=_WORD).reshape(count, -1).astype(np.uint64)
        factors = np.frombuffer(self.key, dtype=_WORD).astype(np.uint64) | np.uint64(1)
        # The SQL of an app may return keys that are longer than a text.
        sums = (words * np.resize(factors, words.shape[1])).sum(axis=1, dtype=np.uint64)
        return np.asarray(sums >> np.uint64(64 - _FINGERPRINT_BITS), dtype=np.uint32)


def _state_of(key: bytes, users: Iterable[str]) -> str | None:
    digests = "".join(sorted(users))
    return blake2b(key + digests.encode(), digest_size=_STATE_BYTES).hexdigest() if digests else None


def _of_users(data: Dataset, kept: NDArray[np.bool_]) -> Dataset:
    pairs = np.repeat(kept, np.diff(data.user_start))
    used, item_idx = np.unique(data.item_idx[pairs], return_inverse=True)
    sizes = np.diff(data.user_start)[kept]
    return replace(
        data,
        user_ids=[data.user_ids[user] for user in np.flatnonzero(kept).tolist()],
        item_ids=[data.item_ids[item] for item in used.tolist()],
        user_start=np.concatenate(([0], np.cumsum(sizes, dtype=np.int64))),
        item_idx=item_idx.astype(np.int32),
        values=data.values[pairs],
        liked=data.liked[pairs],
        times=data.times[pairs],
    )


def _key_of_id(user_id: str) -> bytes | None:
    """Return the binary form of an id: of a UUID, an integer or a short text. None if it has none."""
    try:
        return UUID(user_id).bytes
    except ValueError:
        pass
    try:
        return int(user_id).to_bytes(_INTEGER_BYTES, signed=True)
    except (ValueError, OverflowError):
        text = user_id.encode()
        return text.ljust(_TEXT_BYTES) if len(text) <= _TEXT_BYTES else None


def _other_form_mask(keys: bytes, count: int) -> NDArray[np.bool_]:
    """Return which keys are texts that may also be an integer or a UUID: the list has its fingerprint."""
    if len(keys) != count * _TEXT_BYTES:
        return np.zeros(count, dtype=np.bool_)
    characters = np.frombuffer(keys, dtype=np.uint8).reshape(count, -1)
    is_of_integer = np.isin(characters, np.frombuffer(b"0123456789+-_ ", dtype=np.uint8)).all(axis=1)
    is_of_uuid = np.isin(characters, np.frombuffer(b"0123456789abcdefABCDEF", dtype=np.uint8)).all(axis=1)
    return np.asarray(is_of_integer | is_of_uuid)


def _id_of_key(key: bytes) -> str:
    if len(key) == _UUID_BYTES:
        return str(UUID(bytes=key))
    if len(key) == _INTEGER_BYTES:
        return str(int.from_bytes(key, signed=True))
    return key.decode(errors="replace").rstrip(" ")


def read_forgotten(folder: Path) -> Forgotten:
    """Return the list of forgotten users; empty if there is no file.

    Args:
        folder: of the models.

    Raises:
        NewerListError: a newer release wrote it, with fields that may say more of who is forgotten.
        ArtifactError: the file cannot be read.
    """
    path = folder / FILE
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            # Opening a named pipe would make every request wait for a writer.
            raise ArtifactError(f"{path} is not a file: restore it from a backup")
        text = path.read_bytes()
        return _parsed(_ForgottenFile, text)
    except (FileNotFoundError, NotADirectoryError):
        return Forgotten()
    except ValidationError as exc:
        if {each["type"] for each in exc.errors()} == {"extra_forbidden"}:
            raise NewerListError(
                f"{path} has fields that this release does not know: a newer release wrote it. Use that one",
                _parsed(_NewerForgottenFile, text),
            ) from None
        raise ArtifactError(f"{path} was changed since `forget` wrote it: restore it from a backup") from None
    except OSError as exc:
        raise ArtifactError(f"{path} cannot be read: {exc.strerror}") from None


def _parsed(form: type[_ForgottenFile], text: bytes) -> Forgotten:
    content = form.model_validate_json(text)
    return Forgotten(bytes.fromhex(content.key), content.users)


def copy_forgotten(source: Path, target: Path) -> None:
    """Copy the list of forgotten users to another folder of models.

    Raises:
        ArtifactError: the file cannot be read.
        OSError: the other folder cannot be written.
    """
    forgotten = read_forgotten(source)
    if forgotten:
        (target / FILE).write_text(forgotten.to_json())


class _Known(NamedTuple):
    """The list, and its file's signature. `current`: None if that cannot be read; `last_read` is older."""

    signature: Sequence[int]
    current: Forgotten | None
    last_read: Forgotten
    read_again_at: float = math.inf


class ForgottenUsers:
    """The current list of forgotten users: checks the file at each use, and reads it when it has changed.

    If that takes long, because the file is on a network share that hangs, the list is not known meanwhile.
    One request at a time reads a changed list. The others wait for it, as the former list lacks users.
    """

    def __init__(self, folder: Path) -> None:
        """Store `folder`, that of the models, without reading."""
        self._folder = folder
        self._path = folder / FILE
        # One tuple, assigned atomically: requests read it from several threads.
        self._known = _Known((), Forgotten(), Forgotten())
        self._reading = threading.Lock()
        self._reader = TimelyReader("forgotten users", folder, self._look, _PATIENCE_S)
        self._is_late = False

    def current(self) -> Forgotten | None:
        """Return the list; None if it cannot be read."""
        return self._timely().current

    def last_read(self) -> Forgotten:
        """Return the list; while it cannot be read, the last one that could be."""
        return self._timely().last_read

    def are_left_out(self, state: str | None) -> bool:
        """Return whether a model made with a list of this `state` was made without all forgotten users."""
        forgotten = self.current()
        return forgotten is not None and forgotten.state == state

    def _timely(self) -> "_Known":
        """Return the list as of a look that begins now, or without one if that takes too long."""
        found = self._reader.read()
        is_late, self._is_late = self._is_late, found is None
        if found is not None:
            return found
        if not is_late:
            logger.error(
                "trained models are not used, because the forgotten users are not known: %s does not answer",
                self._folder,
            )
        return self._known._replace(current=None)

    def _look(self) -> "_Known":
        """Read the list if the file has changed, or again a while after it could not be read."""
        known = self._known
        if self._is_as_in(known, self._signature()):
            return known
        if not self._reading.acquire(timeout=_READING_PATIENCE_S):
            return known._replace(current=None)
        try:
            return self._read()
        finally:
            self._reading.release()

    def _is_as_in(self, known: "_Known", signature: Sequence[int]) -> bool:
        return signature == known.signature and time.monotonic() < known.read_again_at

    def _read(self) -> "_Known":
        """Read the list unless another thread has just read it; the lock is held."""
        signature, known = self._signature(), self._known
        if self._is_as_in(known, signature):
            return known
        try:
            read = read_forgotten(self._folder)
        except ArtifactError as exc:
            if known.current is not None:
                logger.error(
                    "trained models are not used, because the forgotten users are not known: %s", exc
                )
            # The disk or a limit of open files may be at fault, and the file stay the same.
            last_read = exc.known if isinstance(exc, NewerListError) else known.last_read
            known = _Known(signature, None, last_read, time.monotonic() + _READ_AGAIN_S)
        else:
            known = _Known(signature, read, read)
        self._known = known
        return known

    def _signature(self) -> Sequence[int]:
        try:
            found = self._path.stat()
        except OSError as exc:
            return () if isinstance(exc, FileNotFoundError | NotADirectoryError) else (exc.errno or 0,)
        return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_mode
