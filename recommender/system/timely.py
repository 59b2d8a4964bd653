"""Read files that may be on a network share, and do not wait long for a share that hangs."""

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

logger = logging.getLogger(__name__)

T = TypeVar("T")

_IDLE_S = 10.0
_MOUNTS = Path("/proc/self/mountinfo")
# Beginnings of the types of file systems that are reached over a network, or through a program (FUSE).
_NETWORK_KINDS = ("9p", "afs", "beegfs", "ceph", "cifs", "fuse", "gfs", "gluster", "lustre", "nfs", "smb")


def is_on_network(folder: Path) -> bool:
    """Return whether a folder is on a file system that another host, or a program, may leave hanging."""
    try:
        mounts = _MOUNTS.read_text(errors="surrogateescape").splitlines()
        real = folder.resolve()
    except (OSError, RuntimeError):
        return False
    kinds: dict[str, str] = {}
    for mount in mounts:
        # As proc(5) says: the mount point is the fifth field, and the type the first after a lone hyphen.
        fields, _, rest = mount.partition(" - ")
        kinds[fields.split(" ")[4].replace(r"\040", " ")] = rest.split(" ")[0]
    point = next((each for each in (real, *real.parents) if str(each) in kinds), None)
    return point is not None and kinds[str(point)].startswith(_NETWORK_KINDS)


class TimelyReader(Generic[T]):
    """Run a function in a thread of its own, for several callers at once.

    A system call on a share that does not answer cannot be interrupted: it may hold this thread, but not
    those of requests. A folder on a local disk is read by the callers themselves, as handing over to a
    thread takes ten times as long as a look.
    """

    def __init__(self, name: str, folder: Path, read: Callable[[], T], patience_s: float) -> None:
        """Store the arguments; the thread starts at the first use, and ends when it is idle.

        Args:
            name: of the thread.
            folder: that is read.
            read: the function.
            patience_s: how many seconds a caller waits for it at most.
        """
        self._is_on_network = is_on_network(folder)
        self._name = name
        self._function = read
        self._patience_s = patience_s
        self._changed = threading.Condition()
        self._has_thread = False
        self._is_wanted = False
        # Numbers of calls of the function.
        self._begun = self._ended = 0
        self._began_at = 0.0
        self._result: T | None = None

    def read(self) -> T | None:
        """Return what the function returns when called after this moment; None if that takes too long."""
        if not self._is_on_network:
            return self._function()
        with self._changed:
            if self._is_late():
                return None
            wanted = self._begun + 1
            self._is_wanted = True
            if self._has_thread or self._start():
                self._changed.notify_all()
                in_time = self._changed.wait_for(lambda: self._ended >= wanted, self._patience_s)
                return self._result if in_time else None
        # The system has no more threads.
        return self._function()

    def _is_late(self) -> bool:
        """Return whether the current call has already taken longer than a caller waits."""
        return self._begun > self._ended and time.monotonic() - self._began_at > self._patience_s

    def _start(self) -> bool:
        try:
            threading.Thread(target=self._work, name=self._name, daemon=True).start()
        except RuntimeError:
            return False
        self._has_thread = True
        return True

    def _work(self) -> None:
        while True:
            with self._changed:
                if not self._changed.wait_for(lambda: self._is_wanted, _IDLE_S):
                    self._has_thread = False
                    return
                self._is_wanted = False
                self._begun += 1
                self._began_at = time.monotonic()
            try:
                result: T | None = self._function()
            except Exception:
                # Catch all: callers must not wait for a thread that has ended.
                logger.exception("an error in thread %r", self._name)
                result = None
            with self._changed:
                self._result = result
                self._ended = self._begun
                self._changed.notify_all()
