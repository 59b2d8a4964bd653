"""Gunicorn's settings, made from the service's, for `gunicorn -c config/gunicorn.conf.py wsgi:app`."""

import gc
import os
import signal
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from gunicorn.glogging import Logger

# Gunicorn reads this file before it changes to the --chdir folder and adds it to sys.path.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from config.stop_signals import exit_on_sigterm_if_first
from recommender.system.cores import limit_library_threads

if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
    # Importing the service takes seconds. Gunicorn handles signals later, and already at a reload.
    exit_on_sigterm_if_first()
    # Before numpy is imported.
    limit_library_threads()

from app import create_app
from config.address import refuse_unusable_address
from config.lifeline import end_lifeline, renew_lifeline
from config.logging import logging_config
from config.open_files import most_connections, raise_limit_of_open_files
from config.prepared_app import (
    PreparedApp,
    bound_hosts,
    latest_prepared_app,
    made_or_previous,
    note_bound_hosts,
)
from config.setting_types import SettingsError
from config.settings import Settings, given_variables, load_settings
from config.worker_catalog import catalog_folder, remove_catalog_folder
from recommender.databases.connection_counts import connections_of_worker
from recommender.entities import DatabaseName
from recommender.ranking.warm_up import warm_up_ranking
from recommender.system.compiled import IS_COMPILING, WITHOUT_COMPILER
from recommender.texts.id_table import warm_up
from recommender.trainer.supervisor import TrainerSupervisor


def _make_app() -> PreparedApp:
    """Make an app from the current settings.

    In the master, so that an error is one message and not a traceback per worker. Nothing connects.
    """
    settings = load_settings()
    settings.require_api_keys(bound_hosts())
    previous = latest_prepared_app()
    if previous is not None and _address(previous.settings) != _address(settings):
        # Gunicorn closes the old address first, and ends if it cannot listen on the new one.
        refuse_unusable_address(settings.http)
    return PreparedApp(settings, create_app(settings), given_variables())


def _address(settings: Settings) -> tuple[str, int]:
    return settings.http.host, settings.http.port


class _ErrorLog(Logger):
    """Gunicorn's log without its access log: the service writes its own line per request."""

    access_log_enabled = False


try:
    _settings, _app, _variables = made_or_previous(_make_app)
except SettingsError as exc:
    remove_catalog_folder()
    sys.exit(f"Marquee cannot start.\n{exc}")

_http, _logs = _settings.http, _settings.logging
bind = f"[{_http.host}]:{_http.port}" if ":" in _http.host else f"{_http.host}:{_http.port}"
worker_class = "config.guarded_worker.GuardedThreadWorker"
workers = _http.workers
# More threads than requests may use: the rest reject requests and answer monitors.
threads = _http.request_threads + 4
_to_databases = sum(connections_of_worker(name, _settings.databases.pool_size) for name in DatabaseName)
# So many that files and databases can still be opened.
worker_connections = most_connections(raise_limit_of_open_files(), threads, _to_databases)
# Replaces leaking workers, and not all at once.
max_requests = _http.max_requests
max_requests_jitter = _http.max_requests // 10
# Idle connections use no thread.
keepalive = _http.keep_alive_seconds
logger_class = _ErrorLog
logconfig_dict = logging_config(_logs.level, _logs.log_format, _app.extensions["log_filters"])
# Seconds without a heartbeat of the worker; one request may take longer.
timeout = 60
graceful_timeout = 30
# The pools open after the fork, in each worker.
preload_app = False
control_socket_disable = True
# The master makes a heartbeat file for each worker, and exits if it cannot. TMPDIR may be full or removed by
# then. The file's name is random, and removed at once.
_SHARED_MEMORY = "/dev/shm"  # noqa: S108  # nosec B108 # see above
worker_tmp_dir = _SHARED_MEMORY if os.access(_SHARED_MEMORY, os.W_OK | os.X_OK) else None
# Before the fork.
_counts = _app.extensions["metrics"].shared_counts(workers)
_lifeline = renew_lifeline()
# By default a caller on this host could rewrite the path with a SCRIPT_NAME header.
forwarder_headers = ""
# The service does not use the scheme. By default, Gunicorn refuses requests of a proxy on this host if their
# headers name two schemes, as after two proxies.
secure_scheme_headers: dict[str, str] = {}
# The largest value: a GET needs some 200 bytes, and 45 for each excluded item. Headers of browsers and
# proxies fit into the limits below.
limit_request_line = 8190
limit_request_fields = 64
limit_request_field_size = 8190

# Before the fork: loading the compiler takes 45 MB and a second, which the workers then share.
warm_up()
warm_up_ranking()
gc.collect()


def pre_fork(_server: Any, _worker: Any) -> None:
    """Exclude existing objects from garbage collection: it writes to their pages, which copies them."""
    gc.freeze()


def on_starting(server: Any) -> None:
    """End a start with arguments of Gunicorn that the worker cannot serve, or that need keys.

    The worker waits for the head of an HTTP request, which TLS hides and other protocols do not have.
    """
    if server.cfg.is_ssl or server.cfg.protocol != "http":
        _end_start(
            server,
            "Gunicorn's certfile, keyfile and protocol cannot be set: the service speaks plain HTTP. "
            "Terminate TLS at a proxy.",
        )
    _require_api_keys(server, server.cfg.address)


def _require_api_keys(server: Any, addresses: Iterable[object]) -> None:
    # A Unix socket's address is a text, and that of an inherited socket a number.
    hosts = [str(address[0]) for address in addresses if isinstance(address, tuple)]
    try:
        _settings.require_api_keys(hosts)
    except SettingsError as exc:
        _end_start(server, str(exc))
    if _http.is_loopback:
        note_bound_hosts(hosts)


def _end_start(server: Any, reason: str) -> NoReturn:
    on_exit(server)
    if server.pidfile is not None:
        server.pidfile.unlink()
    sys.exit(f"Marquee cannot start.\n{reason}")


def when_ready(server: Any) -> None:
    """Check inherited sockets, and warn of missing keys, compiler, shared folder or shared memory."""
    listening = [listener.getsockname() for listener in server.LISTENERS]
    _require_api_keys(server, [*server.cfg.address, *listening])
    if catalog_folder() is None:
        server.log.warning("No temporary folder can be created: each worker loads the catalog on its own.")
    if not IS_COMPILING:
        server.log.warning("%s.", WITHOUT_COMPILER)
    if _counts is None:
        server.log.warning(
            "No shared memory can be created: /metrics reports only the worker that answers it."
        )
    if not _settings.access.api_keys:
        server.log.warning(
            "NO API KEYS ARE SET: anyone who can reach %s:%s can read all recommendations. Set API_KEYS.",
            _http.host,
            _http.port,
        )


# How long a new worker waits for its index and model before it takes requests; others answer meanwhile.
_LOAD_WAIT_S = 15.0


def post_worker_init(worker: Any) -> None:
    """Open the pools, and load the catalog index and the model before the first request."""
    _ignore_repeated_stop_signals()
    if _counts is not None:
        worker.flask_app.extensions["metrics"].share(_counts)
    container = worker.flask_app.extensions["container"]
    folder = catalog_folder()
    if folder is not None:
        container.share_catalog(folder)
    _keep_trainer(worker.flask_app)
    container.open()
    container.warm_up(_LOAD_WAIT_S)
    # Werkzeug sorts the routes at the first request.
    worker.flask_app.url_map.update()


def nworkers_changed(_server: Any, number: int, _before: int | None) -> None:
    """Note how many workers the metrics should show: arguments and signals change it, too."""
    if _counts is not None:
        _counts.wanted_workers = number


def worker_exit(_server: Any, _worker: Any) -> None:
    """Note that this worker ends regularly, unless it ends by an error. A killed one does not get here."""
    error = sys.exc_info()[1]
    if isinstance(error, SystemExit) and not error.code and _counts is not None:
        _counts.end()


def _keep_trainer(app: Any) -> None:
    """Start a trainer from the worker unless one runs; it ends after the workers."""
    if _settings.trains and _lifeline is not None:
        supervisor = TrainerSupervisor(_settings.models.model_path, _variables, _lifeline)
        app.extensions["training"].watch(lambda: supervisor.is_blocked)
        app.extensions["container"].add(supervisor)


# How long the master waits for the end of the trainer, which kills its training at once.
_TRAINER_WAIT_S = 5.0


def on_exit(_server: Any) -> None:
    """End the trainer, and remove what the service shares outside its processes: memory and a folder.

    In a container, the master's end kills all other processes: a trainer that did not end before could not
    tell a training that was stopped from one that ran out of memory.
    """
    end_lifeline(_TRAINER_WAIT_S)
    if _counts is not None:
        _counts.close()
    remove_catalog_folder()


def _ignore_repeated_stop_signals() -> None:
    """Ignore the second signal: terminals and service managers send it to master and worker alike.

    A threaded worker that is interrupted while it stops would wait for a lock that it holds itself.
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
