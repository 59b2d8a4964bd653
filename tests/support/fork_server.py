"""The process that `tests.support.forked` starts. It forks for each line of JSON that it reads.

Each fork runs what an interpreter's arguments name, as if newly started, with its own environment and
outputs. Imports and caches are shared: no thread runs before the fork, and no setting has been read.
"""

import gc
import importlib
import json
import os
import runpy
import signal
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

from app import create_app
from config.database_settings import url_variables
from config.settings import load_settings
from recommender.entities import DatabaseName
from recommender.ranking.warm_up import warm_up_ranking
from recommender.texts.id_table import warm_up

# The modules that Gunicorn, config/gunicorn.conf.py and the commands import.
_IMPORTED = (
    "gunicorn.app.wsgiapp",
    "config.guarded_worker",
    "config.lifeline",
    "config.logging",
    "config.open_files",
    "config.prepared_app",
    "config.worker_catalog",
    "recommender.cli.batch",
    "recommender.cli.models",
    "recommender.cli.recommend",
    "recommender.cli.serve",
    "recommender.cli.train",
    "recommender.cli.trainer",
    "recommender.trainer.supervisor",
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
    warm_up_ranking()
    _fill_caches()
    # Once here, instead of in each process.
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGCHLD, reap)
    for line in sys.stdin.buffer:
        request = json.loads(line)
        # A process that ends at once must be known by then.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
        pid = os.fork()
        if pid == 0:
            _become(request)
            return
        running[pid] = request["answer"]
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
        _write(folder / request["answer"], str(pid))
    for pid in tuple(running):
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)


def _fill_caches() -> None:
    """Make an app, which parses the SQL files and makes the request models. Nothing connects."""
    urls = url_variables(dict.fromkeys(DatabaseName, "postgresql://127.0.0.1:1/nowhere"))
    create_app(load_settings(urls, dotenv_path=None))


def _become(request: dict[str, Any]) -> None:
    """Set arguments, environment and outputs as for a new process, and run the program to its end."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
    os.setsid()
    out, err = (os.open(request[name], os.O_WRONLY | os.O_APPEND) for name in ("out", "err"))
    nothing = os.open(os.devnull, os.O_RDONLY)
    for descriptor, standard in ((nothing, 0), (out, 1), (err, 2)):
        os.dup2(descriptor, standard)
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(request["environment"])
    # Cached values may come from another environment.
    tempfile.tempdir = None
    _run(request["arguments"])


def _run(arguments: list[str]) -> None:
    """Do what an interpreter does with these arguments: `-m`, `-c`, or a file."""
    match arguments:
        case ["-m", module, *rest]:
            sys.argv = [module, *rest]
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        case ["-c", program, *rest]:
            sys.argv = ["-c", *rest]
            exec(compile(program, "<string>", "exec"), {"__name__": "__main__"})  # noqa: S102 - the test's own
        case [path, *rest]:
            sys.argv = [path, *rest]
            runpy.run_path(path, run_name="__main__")


def _write(path: Path, text: str) -> None:
    """Write a file atomically."""
    draft = path.with_name(f"{path.name}.draft")
    draft.write_text(text)
    draft.rename(path)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
