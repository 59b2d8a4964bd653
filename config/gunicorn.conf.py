"""Gunicorn's settings, from ours, for `gunicorn -c config/gunicorn.conf.py wsgi:app`."""

import sys
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
logconfig_dict = logging_config("DEBUG" if _settings.debug else _settings.log_level)
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
    worker.wsgi.extensions["marquee"].open()
