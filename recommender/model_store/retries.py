"""Retry failed attempts: at once if their files have changed, else at growing intervals."""

import time
from collections.abc import Callable
from typing import TypeVar

from recommender.errors import ArtifactError

_FIRST_PAUSE_S = 2.0
_LONGEST_PAUSE_S = 30.0
# Reading a large model takes seconds: at most a twentieth of the time may be spent on it.
_PAUSE_BY_DURATION = 20.0

Result = TypeVar("Result")


class Retries:
    """Remember failures and when each retry is due; for one thread."""

    def __init__(self) -> None:
        # Not the error itself: its traceback would keep all that the attempt had loaded in memory.
        self._failure: str | None = None
        self._failed_with: object = None
        self._seen: object = None
        self._pause_s = 0.0
        self._due_at = 0.0

    def run(self, attempt: Callable[[], Result], signature: object) -> Result:
        """Return the result of `attempt`; raise the last error again if no retry is due.

        Args:
            attempt: the function that may fail.
            signature: of the files it reads. A changed signature makes a retry due once it has been the same
                twice, since files that are being copied keep changing.

        Raises:
            ArtifactError: it failed.
        """
        is_settled, self._seen = signature == self._seen, signature
        is_changed = signature != self._failed_with
        if self._failure is not None and not (is_changed and is_settled) and time.monotonic() < self._due_at:
            raise ArtifactError(self._failure)
        started = time.monotonic()
        try:
            result = attempt()
        except ArtifactError as exc:
            took_s = time.monotonic() - started
            self._pause_s = _FIRST_PAUSE_S if is_changed else min(_LONGEST_PAUSE_S, 2 * self._pause_s)
            self._due_at = time.monotonic() + max(self._pause_s, _PAUSE_BY_DURATION * took_s)
            self._failure, self._failed_with = str(exc), signature
            raise
        self._failure = None
        return result
