"""Counts requests in memory, safe against changes of the system clock."""

import heapq
import threading
import time

from limits.storage import Storage


class SteadyMemoryStorage(Storage):
    """Counts by fixed windows in memory. If the clock was set back, a window is restarted.

    The library's own storage starts a thread to forget windows that ended: in a process that may start no
    more threads, each limited request would fail. Here, each count forgets those that ended before it.
    """

    STORAGE_SCHEME = ["steady-memory"]  # noqa: RUF012 - as the library declares it

    def __init__(self, uri: str | None = None, wrap_exceptions: bool = False, **_: str) -> None:  # noqa: FBT001, FBT002 - as the library calls it
        super().__init__(uri, wrap_exceptions=wrap_exceptions)
        self._lock = threading.Lock()
        self._counts: dict[str, int] = {}
        self._ends: dict[str, float] = {}
        # By their end; may have windows that were restarted since.
        self._ending: list[tuple[float, str]] = []

    @property
    def base_exceptions(self) -> type[Exception]:
        """What the library treats as a failure of the storage: nothing here fails."""
        return ValueError

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        """Count in a window of `expiry` seconds. Return the new count."""
        with self._lock:
            now = time.time()
            self._forget_ended(now)
            if self._ends.get(key, 0.0) > now + expiry:
                self._forget(key)
            if key not in self._ends:
                self._ends[key] = now + expiry
                heapq.heappush(self._ending, (now + expiry, key))
            self._counts[key] = self._counts.get(key, 0) + amount
            return self._counts[key]

    def get(self, key: str) -> int:
        """Return the count of the present window, 0 if there is none."""
        with self._lock:
            return self._counts.get(key, 0) if self._ends.get(key, 0.0) > time.time() else 0

    def get_expiry(self, key: str) -> float:
        """Return when the window ends, in seconds since 1970; now if there is none."""
        return self._ends.get(key, time.time())

    def check(self) -> bool:
        """Return whether the storage can be used."""
        return True

    def reset(self) -> int:
        """Forget all windows, and return how many there were."""
        with self._lock:
            windows = len(self._ends)
            self._counts.clear()
            self._ends.clear()
            self._ending.clear()
            return windows

    def clear(self, key: str) -> None:
        """Forget the window of a key."""
        with self._lock:
            self._forget(key)

    def _forget_ended(self, now: float) -> None:
        while self._ending and self._ending[0][0] <= now:
            end, key = heapq.heappop(self._ending)
            if self._ends.get(key) == end:
                self._forget(key)

    def _forget(self, key: str) -> None:
        self._counts.pop(key, None)
        self._ends.pop(key, None)
