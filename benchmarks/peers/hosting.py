"""What the peers have in common: the parts that the service's Gunicorn configuration needs, and a pool."""

from collections.abc import Callable
from types import SimpleNamespace

from flask import Flask
from psycopg_pool import ConnectionPool

from config.settings import load_settings
from recommender.api.concurrency import StreamEnd
from recommender.entities import DatabaseName


def make_hostable(app: Flask, open_parts: Callable[[], None] = lambda: None) -> None:
    """Add `/health`, and the extensions that gunicorn.conf.py expects; call `open_parts` in each worker."""
    app.add_url_rule("/health", "health", lambda: {"status": "healthy"})
    app.extensions["container"] = SimpleNamespace(
        open=open_parts, warm_up=lambda _: None, share_catalog=lambda _: None
    )
    app.extensions["metrics"] = SimpleNamespace(share=lambda _: None)
    app.extensions["limiters"] = SimpleNamespace(stream_end=StreamEnd(0.0, 0.0))


def catalog_pool() -> ConnectionPool:
    """Return a pool of connections to catalog_db that is not open yet."""
    databases = load_settings().databases
    return ConnectionPool(
        databases.url(DatabaseName.CATALOG),
        min_size=1,
        max_size=databases.pool_size,
        kwargs={"autocommit": True, "prepare_threshold": 0},
        open=False,
    )
