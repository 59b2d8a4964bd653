"""Counts requests in memory, safe against changes of the system clock."""

import time

from limits.storage import MemoryStorage


class SteadyMemoryStorage(MemoryStorage):
    """Memory storage that restarts a window if the clock was set back."""

    STORAGE_SCHEME = ["steady-memory"]  # noqa: RUF012 - as the library declares it

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        """Count in a window of `expiry` seconds. Return the new count."""
        if self.expirations.get(key, 0.0) > time.time() + expiry:
            self.clear(key)
        return super().incr(key, expiry, amount)
