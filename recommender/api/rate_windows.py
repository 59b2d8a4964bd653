"""Where requests are counted in memory, by clocks that may be set."""

import time

from limits.storage import MemoryStorage


class SteadyMemoryStorage(MemoryStorage):
    """Counts in memory; a window that a clock set back would prolong begins anew."""

    STORAGE_SCHEME = ["steady-memory"]  # noqa: RUF012 - as the library declares it

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        """Count, in a window of `expiry` seconds; how many there are in it."""
        if self.expirations.get(key, 0.0) > time.time() + expiry:
            self.clear(key)
        return super().incr(key, expiry, amount)
