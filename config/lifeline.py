"""A pipe by which a process beside the service sees that the service has ended."""

import os
from contextlib import suppress

_held: tuple[int, ...] = ()


def renew_lifeline() -> int | None:
    """Return the end to read of a new pipe; None where none can be made.

    The other end is held by this process and by those that are forked from it until the next call: it closes
    when they have ended. After a reload, that of the configuration before closes with its last worker.
    """
    global _held  # noqa: PLW0603 - it outlives a reload of Gunicorn's configuration
    for descriptor in _held:
        with suppress(OSError):
            os.close(descriptor)
    _held = ()
    with suppress(OSError):
        _held = os.pipe()
    return _held[0] if _held else None
