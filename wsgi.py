"""The application for Gunicorn: `gunicorn -c config/gunicorn.conf.py wsgi:app`."""

import sys

from app import create_app
from config.settings import SettingsError
from recommender.errors import ConfigurationError

# Gunicorn's own status for a worker that cannot start: with any other it would try again for ever.
_WORKER_BOOT_ERROR = 3

try:
    app = create_app()
except (SettingsError, ConfigurationError) as exc:
    print(f"Marquee cannot start.\n{exc}", file=sys.stderr)
    sys.exit(_WORKER_BOOT_ERROR)
