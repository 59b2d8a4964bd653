"""Gunicorn's settings, from ours, for `gunicorn -c config/gunicorn.conf.py wsgi:app`."""

import signal
import sys
import threading
from types import FrameType
from typing import Any

from app import create_app
from config.logging import logging_config
from config.settings import SettingsError, load_settings
from recommender.errors import ConfigurationError

try:
    _settings = load_settings()
    # A trial, before any worker exists: several workers that fail to start end in a traceback of Gunicorn's.
    # Nothing connects here.
    create_app(_settings)
except (SettingsError, ConfigurationError) as exc:
    sys.exit(f"Marquee cannot start.\n{exc}")

bind = (
    f"[{_settings.host}]:{_settings.port}" if ":" in _settings.host else f"{_settings.host}:{_settings.port}"
)
worker_class = "gthread"
workers = _settings.workers
threads = _settings.threads
reload = _settings.debug
logconfig_dict = logging_config("DEBUG" if _settings.debug else _settings.log_level, _settings.log_format)
# Of a worker as a whole, whose threads may well take longer over a request.
timeout = 60
graceful_timeout = 30
# The pools open after the fork, in each worker.
preload_app = False
control_socket_disable = True
# By default a caller on this host may rewrite the path with a SCRIPT_NAME header.
forwarder_headers = ""


def post_worker_init(worker: Any) -> None:
    """Open the pools and load the catalogue index before the first request asks for them."""
    _obey_the_first_request_to_stop()
    worker.wsgi.extensions["marquee"].open()


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
