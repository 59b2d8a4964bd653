"""The progress of a job, kept next to its output so that the same command can resume it."""

import fcntl
import hashlib
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import uuid4

from recommender.batch.new_files import open_new
from recommender.batch.users import UserListSummary
from recommender.errors import BatchError
from recommender.system.file_locks import is_lock_of
from recommender.system.syncing import sync

_VERSION = 3
# Marks a folder as made by this command, not one that had the name before.
_MARKER = "made-by-marquee"
_MARK = b"Made by python -m recommender batch, which removes its files here when the job is done.\n"
_FOREIGN = "was not made by this command"
_UNSAFE = "belongs to another user, or others may write to it"
_ONLY_OWNER = stat.S_IRWXU
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_TAIL_BYTES, _DIGEST_BYTES = 4096, 16
_OWN_FILES = {_MARKER, "journal.json", "journal.draft", "users", "users.draft", "users.draft.rest"}


@dataclass(frozen=True, slots=True)
class JobOptions:
    """The options that two runs of the same job share, beside the users.

    `users_from`: `file` or `all users`. `formulas`: how text that a spreadsheet would run is written.
    `ranking`: all settings that a ranking depends on, in one text.
    """

    users_from: str
    format: str
    formulas: str
    limit: int
    ranking: str


@dataclass(frozen=True, slots=True)
class JobProgress:
    """The part of a job that is done and safe on disk.

    `list_bytes`: how much of the user list is done. `position`: the length of its output, in bytes or
    files. `fingerprint`: a digest of its end. `recommendations`, `degraded`, `held_back`: counts over all
    runs of the job; `held_back` are users answered while a catalog load was held back.
    """

    users: int = 0
    list_bytes: int = 0
    position: int = 0
    fingerprint: str = ""
    recommendations: int = 0
    degraded: int = 0
    held_back: int = 0


@dataclass(frozen=True, slots=True)
class Journal:
    """A job, its users and its progress."""

    options: JobOptions
    user_list: UserListSummary
    progress: JobProgress


class JobFolder:
    """The folder `<output>.resume`, which exists until the job is done.

    A folder that this command did not make, or that other accounts can change, is rejected. Files that this
    command did not make are never removed.
    """

    def __init__(self, output: Path) -> None:
        self.path = output.with_name(f"{output.name}.resume")
        self.user_list = self.path / "users"
        self._journal = self.path / "journal.json"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Make the folder and hold its lock, so that no other run works on the job.

        Raises:
            BatchError: another run holds the lock, or the path exists and is not a folder of this command and
                user.
            OSError: it cannot be made.
        """
        if not os.path.lexists(self.path):
            self._create()
        fault = self._fault()
        if fault is not None:
            raise BatchError(f"{self.path} {fault}; move it, or choose another output")
        handle = os.open(self.path, os.O_RDONLY)
        try:
            self._lock(handle)
            try:
                yield
            finally:
                if not self._journal.exists():
                    # The job has not begun, or is done.
                    self._remove()
        finally:
            os.close(handle)

    def load(self) -> Journal | None:
        """Return the journal of an earlier run, if there is one.

        Raises:
            BatchError: it cannot be read.
        """
        try:
            content = json.loads(self._journal.read_bytes())
            if content["version"] != _VERSION:
                raise BatchError(f"{self._journal} was written by another version of Marquee")
            return Journal(
                JobOptions(**content["options"]),
                UserListSummary(**content["user_list"]),
                JobProgress(**content["progress"]),
            )
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, KeyError) as exc:
            raise BatchError(f"{self._journal} cannot be read; --overwrite starts again") from exc

    def saved_at(self) -> int:
        """Return when the journal was saved last, in nanoseconds of the file system's clock.

        Raises:
            OSError: there is no journal.
        """
        return self._journal.stat().st_mtime_ns

    def save(self, journal: Journal) -> None:
        """Replace the journal atomically: after a crash it is the old or the new one.

        Raises:
            OSError: it cannot be written.
        """
        draft = self._journal.with_suffix(".draft")
        with open_new(draft) as file:
            file.write(json.dumps({"version": _VERSION, **asdict(journal)}, indent=1).encode())
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._journal)
        sync(self.path)

    def forget(self) -> None:
        """Remove the journal, so that nothing is left to resume; the folder is removed with the lock."""
        self._journal.unlink(missing_ok=True)

    def _create(self) -> None:
        """Make the folder and its marker under another name: a kill leaves no folder without a marker."""
        draft = self._aside()
        try:
            draft.mkdir(mode=_ONLY_OWNER)
            with open_new(draft / _MARKER) as file:
                file.write(_MARK)
                file.flush()
                os.fsync(file.fileno())
            draft.rename(self.path)
        except OSError as exc:
            (draft / _MARKER).unlink(missing_ok=True)
            if draft.exists():
                draft.rmdir()
            # If another run has made it meanwhile, the lock decides.
            if self._fault() is not None:
                raise OSError(exc.errno, exc.strerror, str(self.path)) from exc

    def _fault(self) -> str | None:
        """Return why the path is not a folder of this command and user, None if it is one.

        The content of the marker is public, so it does not show who made the folder.
        """
        marker = self.path / _MARKER
        if self.path.is_symlink() or not self.path.is_dir():
            return _FOREIGN
        found = self.path.lstat()
        others = found.st_mode & _OTHERS_WRITE
        if _is_opened_by_kubernetes(found):
            others &= ~stat.S_IWGRP
        if found.st_uid != os.geteuid() or (others and others & ~self._forced_modes()):
            return _UNSAFE
        return None if marker.is_file() and marker.read_bytes() == _MARK else _FOREIGN

    def _forced_modes(self) -> int:
        """Return the mode that a folder made here for its owner alone gets.

        On some network shares all have the same, and the share decides who may write.
        """
        made = self._aside()
        made.mkdir(mode=_ONLY_OWNER)
        try:
            return made.stat().st_mode
        finally:
            made.rmdir()

    def _lock(self, handle: int) -> None:
        """Lock the folder that the handle is open on.

        Raises:
            BatchError: another run has it, or has removed the folder since.
        """
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # A run that ends removes the folder before it releases the lock.
            is_there = is_lock_of(handle, self.path)
        except BlockingIOError:
            is_there = False
        if not is_there:
            raise BatchError("another run is writing it")

    def _remove(self) -> None:
        """Remove this command's files; the folder and its marker only if it holds no other files."""
        is_shared = any(path.name not in _OWN_FILES or path.is_dir() for path in self.path.iterdir())
        if is_shared:
            folder, going = self.path, _OWN_FILES - {_MARKER}
        else:
            # Renamed first: a kill between two removals leaves no folder of this name without a marker.
            folder, going = self.path.rename(self._aside()), _OWN_FILES
        for name in going:
            if not (folder / name).is_dir():
                (folder / name).unlink(missing_ok=True)
        if not is_shared:
            folder.rmdir()

    def _aside(self) -> Path:
        """Return a free temporary path next to the folder."""
        return self.path.with_name(f".{self.path.name}.{uuid4().hex[:8]}")


def _is_opened_by_kubernetes(found: os.stat_result) -> bool:
    """Return whether a folder has the mode that Kubernetes sets for a group of this process (`fsGroup`).

    It does so each time it mounts the volume.
    """
    return bool(found.st_mode & stat.S_ISGID) and found.st_gid in {os.getegid(), *os.getgroups()}


def tail_digest(file: Path, end: int) -> str:
    """Return a digest of the last bytes of a file before a position, which identifies the file.

    Raises:
        OSError: it cannot be read.
    """
    with file.open("rb") as content:
        content.seek(max(0, end - _TAIL_BYTES))
        return hashlib.blake2b(content.read(min(end, _TAIL_BYTES)), digest_size=_DIGEST_BYTES).hexdigest()
