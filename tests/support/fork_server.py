"""The process that `tests.support.forked` starts. It forks for each line of JSON that it reads.

Each fork becomes a Gunicorn master as if newly started, with its own environment and log. Only imports are
shared: no thread runs before the fork, and no setting has been read.
"""

import gc
import importlib
import json
import os
import signal
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

from gunicorn.app import wsgiapp

from recommender.id_table import warm_up

# The modules that config/gunicorn.conf.py and Gunicorn import.
_IMPORTED = (
    "app",
    "config.guarded_worker",
    "config.lifeline",
    "config.logging",
    "config.tried_app",
    "config.worker_catalog",
    "recommender.trainer.keeper",
)


def main(folder: Path) -> None:
    """Fork until the input ends. Write to a folder which processes were started and have ended.

    At the end of the input, processes that still run are killed.
    """
    running: dict[int, str] = {}

    def reap(_number: int, _frame: FrameType | None) -> None:
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG)) != (0, 0):
                pid, status = ended
                _write(folder / f"{running.pop(pid)}-ended", str(os.waitstatus_to_exitcode(status)))

    for name in _IMPORTED:
        importlib.import_module(name)
    warm_up()
    # Once here, instead of in each process.
    gc.collect()
    signal.signal(signal.SIGCHLD, reap)
    for line in sys.stdin.buffer:
        request = json.loads(line)
        # A process that ends at once must be known by then.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
        pid = os.fork()
        if pid == 0:
            _become_gunicorn(request)
            return
        running[pid] = request["answer"]
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
        _write(folder / request["answer"], str(pid))
    for pid in tuple(running):
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)


def _become_gunicorn(request: dict[str, Any]) -> None:
    """Set arguments, environment and log as for a new process, and run Gunicorn to its end."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
    os.setsid()
    log = os.open(request["log"], os.O_WRONLY | os.O_APPEND)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for descriptor, standard in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(descriptor, standard)
    os.environ.clear()
    os.environ.update(request["environment"])
    # Cached values may come from another environment.
    tempfile.tempdir = None
    sys.argv = ["gunicorn", *request["arguments"]]
    wsgiapp.run()


def _write(path: Path, text: str) -> None:
    """Write a file atomically."""
    draft = path.with_name(f"{path.name}.draft")
    draft.write_text(text)
    draft.rename(path)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
