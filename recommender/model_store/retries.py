"""Tries something again that failed, at once where its files have changed, else less and less often."""

import time
from collections.abc import Callable
from typing import TypeVar

from recommender.errors import ArtifactError

_FIRST_PAUSE_S = 2.0
_LONGEST_PAUSE_S = 30.0
# Reading a large model takes seconds: no more than a twentieth of the time may go into that.
_PAUSE_BY_DURATION = 20.0

Result = TypeVar("Result")


class Retries:
    """Remembers what failed and when it is due again; for one thread."""

    def __init__(self) -> None:
        # Not the error itself, whose traceback refers to everything the attempt had loaded.
        self._failure: str | None = None
        self._failed_with: object = None
        self._seen: object = None
        self._pause_s = 0.0
        self._due_at = 0.0

    def run(self, attempt: Callable[[], Result], signature: object) -> Result:
        """Return what `attempt` gives; raise the last error again where it is not due.

        Args:
            attempt: what may fail.
            signature: of the files it reads. A change makes it due once it has been the same twice: files
                that are still being copied change all the time.

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
