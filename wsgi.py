"""The application for Gunicorn: `gunicorn -c config/gunicorn.conf.py wsgi:app`."""

import sys

from app import create_app
from config.prepared_app import latest_prepared_app
from config.setting_types import SettingsError

# Gunicorn's status for a worker that cannot start; after any other it would restart workers for ever.
_WORKER_BOOT_ERROR = 3

_tried = latest_prepared_app()
try:
    # With our Gunicorn configuration the master has made one, so that every worker serves with the same
    # settings and statements, even if files have changed since.
    app = create_app() if _tried is None else _tried.app
except SettingsError as exc:
    print(f"Marquee cannot start.\n{exc}", file=sys.stderr)
    sys.exit(_WORKER_BOOT_ERROR)
