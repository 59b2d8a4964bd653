"""A pair of sockets by which the service and its helper processes learn of the end of each other."""

import socket
from contextlib import suppress

# The service's end, and the one that helpers get.
_held: tuple[socket.socket, socket.socket] | None = None


def renew_lifeline() -> int | None:
    """Return the helpers' end of a new pair of sockets, which they only read; None if none can be made.

    This process, and those forked from it before the next call, hold the other end: it closes when all have
    ended. After a reload, the old pair closes with its last worker.
    """
    global _held  # noqa: PLW0603 - must survive a reload of Gunicorn's configuration
    for end in _held or ():
        end.close()
    _held = None
    with suppress(OSError):
        _held = socket.socketpair()
    return None if _held is None else _held[1].fileno()


def end_lifeline(patience_s: float) -> None:
    """Tell helpers that the service ends, and wait until all have ended, but no longer than `patience_s`."""
    if _held is None:
        return
    ours, theirs = _held
    theirs.close()
    with suppress(OSError):
        ours.shutdown(socket.SHUT_WR)
        ours.settimeout(patience_s)
        # Nothing is ever sent: this returns when no process has the helpers' end any more.
        ours.recv(1)
