"""Share catalog indexes between the workers of a host, through files in a folder.

One worker at a time holds the lock, reads the databases and builds an index. It writes the index to a file,
then announces it with the moment from which all workers use it; they map the file. The kernel releases the
lock when its worker ends, also by a crash.
"""

import contextlib
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any, TypeVar

import orjson

from recommender.catalog.gate import HeldBack, HoldReason
from recommender.catalog.index import CatalogIndex
from recommender.catalog.index_files import map_index, write_index
from recommender.catalog.status import NO_PROBLEMS, LoadProblems
from recommender.entities import DatabaseName
from recommender.system.file_locks import is_lock_of, take_lock

_FORMAT = 8
_SUFFIX = ".entries"
# This many digits of a snapshot's checksum are in its name.
_NAMED_BY = 16
# The index in use, and the one before, which a slow worker may still be reading.
_KEPT = 2

T = TypeVar("T")


class SnapshotError(Exception):
    """A file of the folder is damaged or has another format; the message names it."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """The last result of the worker with the lock. Times are by the monotonic clock, which workers share.

    `version`: of the index to use from `starts_at` on; None if there is none. `checksum`: of its snapshot.
    `counted_at`: when its popularity was counted. `complete`: false while that is done for the first time.
    """

    version: str | None
    checksum: str
    loaded_at: float
    counted_at: float
    starts_at: float
    complete: bool
    problems: LoadProblems = NO_PROBLEMS


class SnapshotFolder:
    """A folder that belongs to the workers of one master, which have the same databases and settings.

    Raises:
        OSError: from every method but `ask_for_load` and `close`, if the folder cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._announcement = path / "announcement.json"
        self._asked = path / "load-asked"
        self._lock_path = path / "lock"
        self._lock: int | None = None
        self._seen: tuple[int, int] | None = None

    def try_to_lead(self) -> bool:
        """Take the lock if it is free, and return whether this worker has it.

        A folder that was removed is made again.
        """
        if self._lock is not None and not is_lock_of(self._lock, self._lock_path):
            # Other workers lock the file of the new folder.
            self.close()
        if self._lock is None:
            self._make()
            self._lock = take_lock(self._lock_path, patience_s=0.0)
        return self._lock is not None

    def _make(self) -> None:
        """Make the folder if it is missing, and its parent, which Gunicorn's master had made."""
        for folder in (self._path.parent, self._path):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if folder.lstat().st_uid != os.geteuid():
                # In a shared /tmp, another user may have made it.
                raise PermissionError(f"{folder} belongs to another user")

    def close(self) -> None:
        """Release the lock."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def ask_for_load(self) -> None:
        """Ask the worker with the lock to read the databases again soon."""
        with contextlib.suppress(OSError):
            self._asked.touch(mode=0o600)

    def take_asked(self) -> bool:
        """Return whether a load was asked for since the last call."""
        try:
            self._asked.unlink()
        except FileNotFoundError:
            return False
        return True

    def write(self, index: CatalogIndex) -> str:
        """Write a snapshot, remove old ones, and return its checksum.

        Each content has its own file: workers may still read what was announced before.
        """
        checksum: str = self._replace(
            partial(self._path_of, index.version), lambda file: write_index(file, index)
        )
        for path in self._snapshots()[_KEPT:]:
            path.unlink(missing_ok=True)
        return checksum

    def has(self, version: str, checksum: str) -> bool:
        """Return whether a snapshot still exists."""
        return self._path_of(version, checksum).exists()

    def is_announced(self) -> bool:
        """Return whether there is an announcement."""
        return self._announcement.exists()

    def announce(self, announcement: Announcement) -> None:
        """Write the announcement for the other workers."""
        content = orjson.dumps({"format": _FORMAT, **asdict(announcement)})
        self._replace(lambda _: self._announcement, lambda file: file.write(content))

    def new_announcement(self) -> Announcement | None:
        """Return the last announcement, None if there is none, or if it has been returned already.

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
                raise SnapshotError(f"{self._announcement} has another format")
            return Announcement(**values | {"problems": _problems(values["problems"])})
        except (ValueError, TypeError, KeyError, AttributeError) as exc:
            raise SnapshotError(f"{self._announcement} cannot be read: {exc}") from exc

    def read(self, version: str, checksum: str) -> CatalogIndex:
        """Map the snapshot of a version; all workers share its memory.

        Raises:
            SnapshotError: it is gone or damaged; a damaged one is removed, to be written again.
        """
        path = self._path_of(version, checksum)
        try:
            return map_index(path, checksum)
        except FileNotFoundError as exc:
            raise SnapshotError(f"{path} does not exist any more") from exc
        except (ValueError, TypeError, KeyError) as exc:
            path.unlink(missing_ok=True)
            raise SnapshotError(f"{path} is damaged: {exc}") from exc

    def _path_of(self, version: str, checksum: str) -> Path:
        return self._path / f"{version}-{checksum[:_NAMED_BY]}{_SUFFIX}"

    def _snapshots(self) -> list[Path]:
        """Return the snapshots, the newest first."""
        return sorted(self._path.glob(f"*{_SUFFIX}"), key=lambda path: path.stat().st_mtime_ns, reverse=True)

    def _replace(self, path_of: Callable[[T], Path], write: Callable[[IO[bytes]], T]) -> T:
        """Write a draft, then rename it: readers see all or nothing, and mapped files of others stay.

        Only the worker with the lock writes. `path_of` returns the path for what `write` has returned.
        """
        draft = self._path / "draft"
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(handle, "wb") as file:
                written = write(file)
            draft.replace(path_of(written))
        except OSError:
            # On a full disk, the remains would take the space that the next attempt needs.
            with contextlib.suppress(OSError):
                draft.unlink()
            raise
        return written


def _problems(values: dict[str, Any]) -> LoadProblems:
    held_back = values["held_back"]
    return LoadProblems(
        None if held_back is None else _held_back(held_back),
        tuple(map(DatabaseName, values["unread"])),
        values["failure"],
    )


def _held_back(values: dict[str, Any]) -> HeldBack:
    return HeldBack(values["item_count"], values["since"], HoldReason(values["reason"]))
