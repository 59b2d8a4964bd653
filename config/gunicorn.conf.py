"""Gunicorn's settings, from ours, for `gunicorn -c config/gunicorn.conf.py wsgi:app`."""

import gc
import logging
import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

from gunicorn.glogging import Logger

# Gunicorn reads this file before it changes to the folder of --chdir and makes that importable.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from app import create_app
from config.lifeline import renew_lifeline
from config.logging import logging_config
from config.setting_types import SettingsError
from config.settings import given_variables, load_settings
from config.tried_app import TriedApp, keep_tried_app, latest_tried_app
from config.worker_catalog import catalog_folder, remove_catalog
from recommender.compiled import IS_COMPILING, WITHOUT_COMPILER
from recommender.id_table import warm_up
from recommender.ranking.warm_up import warm_up_ranking
from recommender.trainer.keeper import TrainerKeeper


def _make_app() -> TriedApp:
    """An app from the settings as they are now.

    Before any worker exists: several that fail to start end in a traceback of Gunicorn's. Nothing connects.
    """
    settings = load_settings()
    return TriedApp(settings, create_app(settings), given_variables())


def _served_app() -> TriedApp:
    """The app that the workers serve, with its settings: at a reload with bad ones, the one from before.

    Raises:
        SettingsError: the settings, or what they name, are bad, and there is no app from before.
    """
    try:
        return keep_tried_app(_make_app)
    except SettingsError as exc:
        before = latest_tried_app()
        if before is None:
            raise
        logging.getLogger("gunicorn.error").error(
            "The reload changes nothing, as Marquee could not start by the configuration as it is now. %s",
            exc,
        )
        return before


class _ErrorLog(Logger):
    """Gunicorn's log without its access log: the service itself writes a line a request."""

    access_log_enabled = False


try:
    _settings, _app, _variables = _served_app()
except SettingsError as exc:
    remove_catalog()
    sys.exit(f"Marquee cannot start.\n{exc}")

_http, _logs = _settings.http, _settings.logging
bind = f"[{_http.host}]:{_http.port}" if ":" in _http.host else f"{_http.host}:{_http.port}"
worker_class = "config.guarded_worker.GuardedThreadWorker"
workers = _http.workers
# Beside those that requests may hold, some to refuse the others and to answer monitors.
threads = _http.request_threads + 4
# A worker that leaks is replaced in time, and not all of them at once.
max_requests = _http.max_requests
max_requests_jitter = _http.max_requests // 10
# Idle connections take no thread.
keepalive = _http.keep_alive_seconds
logger_class = _ErrorLog
logconfig_dict = logging_config(
    "DEBUG" if _logs.debug else _logs.log_level, _logs.log_format, _app.extensions["log_filters"]
)
# Of a worker as a whole, whose threads may well take longer over a request.
timeout = 60
graceful_timeout = 30
# The pools open after the fork, in each worker.
preload_app = False
control_socket_disable = True
# The master makes a file for each worker, whose times say that the worker lives, and ends where it cannot. So
# not in TMPDIR, which may be full or removed by then. Its name is random, and removed at once.
_SHARED_MEMORY = "/dev/shm"  # noqa: S108  # nosec B108 # see above
worker_tmp_dir = _SHARED_MEMORY if os.access(_SHARED_MEMORY, os.W_OK | os.X_OK) else None
# Before the fork.
_counts = _app.extensions["metrics"].shared_counts(workers)
_lifeline = renew_lifeline()
# By default a caller on this host may rewrite the path with a SCRIPT_NAME header.
forwarder_headers = ""
# The most that can be set: a GET needs some 200 bytes of it, and 45 more for each medium to exclude. Headers
# of browsers and proxies fit into the others.
limit_request_line = 8190
limit_request_fields = 64
limit_request_field_size = 8190

# Before the fork, too: a compiler takes 45 MB and a second to load, which the workers so share.
warm_up()
warm_up_ranking()
gc.collect()


def pre_fork(_server: Any, _worker: Any) -> None:
    """Leave what exists to no collection of garbage: that writes to all it looks at, and copies it so."""
    gc.freeze()


def when_ready(server: Any) -> None:
    """Say once what the workers go without: keys, and loudly, or a shared folder."""
    if catalog_folder() is None:
        server.log.warning("No temporary folder can be made: each worker reads the catalog for itself.")
    if not IS_COMPILING:
        server.log.warning("%s.", WITHOUT_COMPILER)
    if _counts is None:
        server.log.warning("No memory can be shared: /metrics is about the worker that answers it.")
    if not _settings.access.api_keys:
        server.log.warning(
            "NO API KEYS ARE SET: whoever reaches %s:%s may ask for anybody's recommendations. Set API_KEYS.",
            _http.host,
            _http.port,
        )


# A new worker takes no requests before its index is complete, unless that takes longer; others answer
# meanwhile.
_LOAD_WAIT_S = 15.0


def post_worker_init(worker: Any) -> None:
    """Open the pools and load the catalog index before the first request asks for them."""
    _obey_the_first_request_to_stop()
    if _counts is not None:
        worker.flask_app.extensions["metrics"].share(_counts)
    container = worker.flask_app.extensions["container"]
    folder = catalog_folder()
    if folder is not None:
        container.share_catalog(folder)
    _keep_trainer(container)
    container.open()
    container.wait_until_loaded(_LOAD_WAIT_S)


def _keep_trainer(container: Any) -> None:
    """Have the worker start a trainer where there is none: it ends when master and workers have ended."""
    if _settings.trains and _lifeline is not None:
        container.add(TrainerKeeper(_settings.models.model_path, _variables, _lifeline))


def on_exit(_server: Any) -> None:
    """Leave nothing behind."""
    if _counts is not None:
        _counts.close()
    remove_catalog()


def _obey_the_first_request_to_stop() -> None:
    """Ignore the second: from a terminal or a service manager a worker hears it twice over.

    Gunicorn's threaded worker, interrupted while it stops, waits for a lock that it holds itself.
    """
    stopping = threading.Event()

    def once(handler: Any) -> Any:
        def handle(number: int, frame: FrameType | None) -> None:
            if not stopping.is_set():
                stopping.set()
                handler(number, frame)

        return handle

    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
        signal.signal(number, once(signal.getsignal(number)))
