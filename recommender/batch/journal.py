"""How far a job has come, kept next to its output so that the same command can take it up again."""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import uuid4

from recommender.batch.users import UserList
from recommender.errors import BatchError

_VERSION = 3
# The file that tells this program's folder from one of the same name that was there before.
_MARKER = "made-by-marquee"
_MARK = b"Made by python -m recommender batch, which removes its files here when the job is done.\n"
_TAIL_BYTES, _DIGEST_BYTES = 4096, 16
_OWN_FILES = {_MARKER, "journal.json", "journal.draft", "users", "users.draft", "users.draft.rest"}


@dataclass(frozen=True, slots=True)
class JobOptions:
    """What makes two runs the same job, beside the users.

    `users_from`: `file` or `all users`. `formulas`: what becomes of text that a spreadsheet would run.
    `ranking`: every setting that a ranking depends on, in one text.
    """

    users_from: str
    format: str
    formulas: str
    limit: int
    ranking: str


@dataclass(frozen=True, slots=True)
class Progress:
    """What has been done, and is safe on disk.

    `list_bytes`: how far the user list is done. `position`: how much of the output belongs to it, in bytes or
    in parts. `fingerprint`: a digest of the end of that. `recommendations`, `degraded`, `held_back`: counted
    over all runs of the job; the last are users answered while a load of the catalog was held back.
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
    """A job, its users, and how far it has come."""

    options: JobOptions
    user_list: UserList
    progress: Progress


class JobFolder:
    """The folder `<output>.resume`, which exists as long as there is something to take up.

    A folder that this program did not make is refused, and files that it did not make are never removed.
    """

    def __init__(self, output: Path) -> None:
        self.path = output.with_name(f"{output.name}.resume")
        self.user_list = self.path / "users"
        self._journal = self.path / "journal.json"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Make the folder, and let nobody else work on the job.

        Raises:
            BatchError: another run holds the lock, or this program did not make what is at the path.
            OSError: it cannot be made.
        """
        if not os.path.lexists(self.path):
            self._create()
        if not self._is_own():
            raise BatchError(f"{self.path} was not made by this command; move it, or choose another output")
        handle = os.open(self.path, os.O_RDONLY)
        try:
            self._lock(handle)
            try:
                yield
            finally:
                if not self._journal.exists():
                    # Nothing was begun, or all is done.
                    self._remove()
        finally:
            os.close(handle)

    def load(self) -> Journal | None:
        """What an earlier run has left, if one has.

        Raises:
            BatchError: it cannot be read.
        """
        try:
            content = json.loads(self._journal.read_bytes())
            if content["version"] != _VERSION:
                raise BatchError(f"{self._journal} is of another version of Marquee")
            return Journal(
                JobOptions(**content["options"]),
                UserList(**content["user_list"]),
                Progress(**content["progress"]),
            )
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, KeyError) as exc:
            raise BatchError(f"{self._journal} cannot be read; --overwrite starts again") from exc

    def save(self, journal: Journal) -> None:
        """Replace what is there whole: after a crash it is the old one or the new one.

        Raises:
            OSError: it cannot be written.
        """
        draft = self._journal.with_suffix(".draft")
        with draft.open("w") as file:
            json.dump({"version": _VERSION, **asdict(journal)}, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._journal)
        sync_folder(self.path)

    def forget(self) -> None:
        """Leave nothing to take up; the folder goes when the lock does."""
        self._journal.unlink(missing_ok=True)

    def _create(self) -> None:
        """Make the folder with its marker under another name first: after a kill it is whole or not there."""
        draft = self._aside()
        try:
            draft.mkdir()
            with (draft / _MARKER).open("wb") as file:
                file.write(_MARK)
                file.flush()
                os.fsync(file.fileno())
            draft.rename(self.path)
        except OSError as exc:
            (draft / _MARKER).unlink(missing_ok=True)
            if draft.exists():
                draft.rmdir()
            # Where another run has made it meanwhile, its lock decides.
            if not self._is_own():
                raise OSError(exc.errno, exc.strerror, str(self.path)) from exc

    def _is_own(self) -> bool:
        """Whether this program made what is at the path."""
        marker = self.path / _MARKER
        return not self.path.is_symlink() and marker.is_file() and marker.read_bytes() == _MARK

    def _lock(self, handle: int) -> None:
        """Take the lock of the folder that the handle is open on.

        Raises:
            BatchError: another run has it, or has removed the folder since.
        """
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # A run that ends removes the folder before it lets go of the lock.
            is_there = self.path.exists() and os.path.samestat(self.path.stat(), os.fstat(handle))
        except BlockingIOError:
            is_there = False
        if not is_there:
            raise BatchError("another run is at work on it")

    def _remove(self) -> None:
        """Remove this program's files; the folder and its marker only if there is nothing else in it."""
        is_shared = any(path.name not in _OWN_FILES or path.is_dir() for path in self.path.iterdir())
        if is_shared:
            folder, going = self.path, _OWN_FILES - {_MARKER}
        else:
            # After a kill between two removals, no folder without a marker has the job's name.
            folder, going = self.path.rename(self._aside()), _OWN_FILES
        for name in going:
            if not (folder / name).is_dir():
                (folder / name).unlink(missing_ok=True)
        if not is_shared:
            folder.rmdir()

    def _aside(self) -> Path:
        """A free name next to the folder's, for a moment."""
        return self.path.with_name(f".{self.path.name}.{uuid4().hex[:8]}")


def tail_digest(file: Path, end: int) -> str:
    """Return a digest of the last bytes of a file before a position, to recognise the file by.

    Raises:
        OSError: it cannot be read.
    """
    with file.open("rb") as content:
        content.seek(max(0, end - _TAIL_BYTES))
        return hashlib.blake2b(content.read(min(end, _TAIL_BYTES)), digest_size=_DIGEST_BYTES).hexdigest()


def sync_folder(path: Path) -> None:
    """See to it that the names in a folder survive a crash."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
