"""Lower the priority of a process below those that serve."""

import contextlib
import os
import threading
from pathlib import Path

_NICENESS = 10
# From -1000 to 1000: out of memory, the kernel kills the process with the highest score.
_KILLED_FIRST = "800"


def lower_priority() -> None:
    """Lower this process's CPU and disk priority, and let the kernel kill it first when memory is short."""
    with contextlib.suppress(OSError):
        os.nice(_NICENESS)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_KILLED_FIRST)
    # Only some deployments have it.
    with contextlib.suppress(ImportError, AttributeError, OSError):
        import psutil  # noqa: PLC0415 - see above

        psutil.Process().ionice(psutil.IOPRIO_CLASS_IDLE)


def exit_when_closed(descriptor: int) -> None:
    """End this process as soon as the other end of a pipe is closed."""

    def wait() -> None:
        with contextlib.suppress(OSError):
            while os.read(descriptor, 1):
                pass
        os._exit(1)

    threading.Thread(target=wait, name="end with the trainer", daemon=True).start()
