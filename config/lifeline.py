"""A pipe that tells a helper process that the service has ended."""

import os
from contextlib import suppress

_held: tuple[int, ...] = ()


def renew_lifeline() -> int | None:
    """Return the read end of a new pipe; None if none can be made.

    This process, and those forked from it before the next call, hold the other end: it closes when all have
    ended. After a reload, the old pipe closes with its last worker.
    """
    global _held  # noqa: PLW0603 - must survive a reload of Gunicorn's configuration
    for descriptor in _held:
        with suppress(OSError):
            os.close(descriptor)
    _held = ()
    with suppress(OSError):
        _held = os.pipe()
    return _held[0] if _held else None
