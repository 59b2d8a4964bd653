"""Shares what was read for a catalogue index between the workers of a host, through files in a folder.

One worker at a time holds the lock and reads the databases. It writes what it read, then announces it with
the moment from which all workers use it. The kernel releases the lock of a worker that ends, however it ends.
"""

import contextlib
import fcntl
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson

from recommender.catalogue.gate import HeldBack, HoldReason
from recommender.catalogue.index import Popularity
from recommender.entities import CatalogueEntry

_FORMAT = 3
_SUFFIX = ".entries"
# The one in use, and the one before, which a slow worker may still be reading.
_KEPT = 2


class SnapshotError(Exception):
    """A file of the folder is damaged or of another format; the message names it."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """What the worker with the lock last found. Moments are by the monotonic clock, which workers share.

    `version`: of the index to use from `starts_at` on; None where there is none. `checksum`: of its snapshot.
    `complete`: false while popularity is still being counted for the first time.
    """

    version: str | None
    checksum: str
    loaded_at: float
    starts_at: float
    complete: bool
    held_back: HeldBack | None = None


class SnapshotFolder:
    """A folder that belongs to the workers of one master, with databases and settings alike.

    Raises:
        OSError: from every method but `ask_for_load` and `close`, where the folder cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._announcement = path / "announcement.json"
        self._asked = path / "load-asked"
        self._lock_path = path / "lock"
        self._lock: int | None = None
        self._seen: tuple[int, int] | None = None

    def try_to_lead(self) -> bool:
        """Whether this worker has the lock, which it takes where that is free.

        A folder that was removed is made again.
        """
        if self._lock is not None and self._is_removed(self._lock):
            # Others lock another file by now, or will.
            self.close()
        if self._lock is None:
            self._make()
            handle = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(handle)
            except OSError:
                os.close(handle)
                raise
            else:
                self._lock = handle
        return self._lock is not None

    def _is_removed(self, lock: int) -> bool:
        try:
            return not os.path.samestat(os.fstat(lock), self._lock_path.stat())
        except FileNotFoundError:
            return True

    def _make(self) -> None:
        """Make the folder where it is missing, and the one it is in, which Gunicorn's master had made."""
        for folder in (self._path.parent, self._path):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if folder.lstat().st_uid != os.geteuid():
                # In a /tmp for all, another user may have been quicker.
                raise PermissionError(f"{folder} belongs to another user")

    def close(self) -> None:
        """Release the lock."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def ask_for_load(self) -> None:
        """Have the worker with the lock read the databases again soon."""
        with contextlib.suppress(OSError):
            self._asked.touch(mode=0o600)

    def take_asked(self) -> bool:
        """Whether a load was asked for since the last call."""
        try:
            self._asked.unlink()
        except FileNotFoundError:
            return False
        return True

    def write(self, version: str, entries: Sequence[CatalogueEntry], popularity: Popularity) -> str:
        """Write a snapshot, unless it is there; its checksum. Old ones are removed."""
        content = _pack(entries, popularity)
        self._replace(self._path / f"{version}{_SUFFIX}", content)
        for path in self._snapshots()[_KEPT:]:
            path.unlink(missing_ok=True)
        return sha256(content).hexdigest()

    def has(self, version: str) -> bool:
        """Whether the snapshot of a version is still there."""
        return (self._path / f"{version}{_SUFFIX}").exists()

    def is_announced(self) -> bool:
        """Whether there is an announcement."""
        return self._announcement.exists()

    def announce(self, announcement: Announcement) -> None:
        """Tell the other workers."""
        content = orjson.dumps({"format": _FORMAT, **asdict(announcement)})
        self._replace(self._announcement, content)

    def news(self) -> Announcement | None:
        """The last announcement, None where it has been returned already, or there is none.

        Raises:
            SnapshotError: it is damaged.
        """
        try:
            found = self._announcement.stat()
            if (found.st_ino, found.st_mtime_ns) == self._seen:
                return None
            content = self._announcement.read_bytes()
        except FileNotFoundError:
            return None
        self._seen = (found.st_ino, found.st_mtime_ns)
        try:
            values = orjson.loads(content)
            if values.pop("format") != _FORMAT:
                raise SnapshotError(f"{self._announcement} is of another format")
            held_back = values.pop("held_back")
            return Announcement(**values, held_back=None if held_back is None else _held_back(held_back))
        except (ValueError, TypeError, KeyError, AttributeError) as exc:
            raise SnapshotError(f"{self._announcement} cannot be read: {exc}") from exc

    def read(self, announcement: Announcement) -> tuple[list[CatalogueEntry], Popularity]:
        """The snapshot that was announced.

        Raises:
            SnapshotError: it is gone or damaged; it is removed, to be written again.
        """
        path = self._path / f"{announcement.version}{_SUFFIX}"
        try:
            content = path.read_bytes()
        except FileNotFoundError as exc:
            raise SnapshotError(f"{path} is gone") from exc
        try:
            if sha256(content).hexdigest() != announcement.checksum:
                raise ValueError("the checksum differs")
            return _unpack(content)
        except (ValueError, TypeError, KeyError) as exc:
            path.unlink(missing_ok=True)
            raise SnapshotError(f"{path} is damaged: {exc}") from exc

    def _snapshots(self) -> list[Path]:
        """Snapshots, the newest first."""
        return sorted(self._path.glob(f"*{_SUFFIX}"), key=lambda path: path.stat().st_mtime_ns, reverse=True)

    def _replace(self, path: Path, content: bytes) -> None:
        """Write aside, then rename: a reader sees all of it or nothing."""
        draft = path.with_name(f"{path.name}.draft")
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            draft.replace(path)
        except OSError:
            # On a full disk it would take the space that others wait for.
            with contextlib.suppress(OSError):
                draft.unlink()
            raise


def _held_back(values: dict[str, Any]) -> HeldBack:
    return HeldBack(values["media"], values["since"], HoldReason(values["reason"]))


def _pack(entries: Sequence[CatalogueEntry], popularity: Popularity) -> bytes:
    content = {
        "values": [entry.values for entry in entries],
        "media_ids": [entry.media_id for entry in entries],
        "media_keys": [entry.media_key.hex() for entry in entries],
    }
    counts = {
        "media_ids": list(popularity.positive_users),
        "user_counts": list(popularity.positive_users.values()),
        "active_users": popularity.active_users,
        "window_start": popularity.window_start,
        "known": popularity.known,
        "rows": popularity.rows,
        "repeats": popularity.repeats,
    }
    return orjson.dumps({"entries": content, "popularity": counts})


def _unpack(content: bytes) -> tuple[list[CatalogueEntry], Popularity]:
    values = orjson.loads(content)
    columns = values["entries"]
    media_keys = map(bytes.fromhex, columns["media_keys"])
    rows = zip(map(tuple, columns["values"]), columns["media_ids"], media_keys, strict=True)
    counts = values["popularity"]
    popularity = Popularity(
        positive_users=dict(zip(counts["media_ids"], counts["user_counts"], strict=True)),
        active_users=counts["active_users"],
        window_start=counts["window_start"],
        known=counts["known"],
        rows=counts["rows"],
        repeats=counts["repeats"],
    )
    return [CatalogueEntry(*row) for row in rows], popularity
