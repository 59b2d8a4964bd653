"""The application for Gunicorn: `gunicorn -c config/gunicorn.conf.py wsgi:app`."""

import sys

from app import create_app
from config.setting_types import SettingsError
from config.tried_app import latest_tried_app

# Gunicorn's own status for a worker that cannot start: with any other it would try again for ever.
_WORKER_BOOT_ERROR = 3

_tried = latest_tried_app()
try:
    # Under our configuration the master has made one. Every worker then serves by the same settings and
    # statements, whenever it starts and whatever has been written into files since.
    app = create_app() if _tried is None else _tried.app
except SettingsError as exc:
    print(f"Marquee cannot start.\n{exc}", file=sys.stderr)
    sys.exit(_WORKER_BOOT_ERROR)
