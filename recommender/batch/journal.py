"""How far a job has come, kept next to its output so that the same command can take it up again."""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from recommender.batch.users import UserList
from recommender.errors import BatchError

_VERSION = 2


@dataclass(frozen=True, slots=True)
class JobOptions:
    """What makes two runs the same job, beside the users.

    `users_from`: `file` or `all users`. `ranking`: every setting that a ranking depends on, in one text.
    """

    users_from: str
    format: str
    limit: int
    ranking: str


@dataclass(frozen=True, slots=True)
class Progress:
    """What has been done, and is safe on disk.

    `list_bytes`: how far the user list is done. `position`: how much of the output belongs to it, in bytes or
    in parts. `recommendations`, `degraded`, `held_back`: counted over all runs of the job; the last are users
    answered while a load of the catalogue was held back.
    """

    users: int = 0
    list_bytes: int = 0
    position: int = 0
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
    """The folder `<output>.resume`, which exists as long as there is something to take up."""

    def __init__(self, output: Path) -> None:
        self.path = output.with_name(f"{output.name}.resume")
        self.user_list = self.path / "users"
        self._journal = self.path / "journal.json"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Make the folder, and let nobody else work on the job.

        Raises:
            BatchError: somebody does already.
            OSError: it cannot be made.
        """
        self.path.mkdir(exist_ok=True)
        handle = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            os.close(handle)
            raise BatchError("another run is at work on it") from exc
        try:
            yield
        finally:
            if not self._journal.exists():
                # Nothing was begun, or all is done.
                shutil.rmtree(self.path)
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


def sync_folder(path: Path) -> None:
    """See to it that the names in a folder survive a crash."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
