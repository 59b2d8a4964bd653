"""The attributes that the service's Gunicorn configuration needs, for the apps of peers."""

from collections.abc import Callable
from types import SimpleNamespace

from flask import Flask

from recommender.api.concurrency import StreamEnd


def make_hostable(app: Flask, open_parts: Callable[[], None] = lambda: None) -> None:
    """Give an app parts that do nothing, save that `open_parts` is called in each worker."""
    app.extensions["container"] = SimpleNamespace(
        open=open_parts, warm_up=lambda _: None, share_catalog=lambda _: None
    )
    app.extensions["metrics"] = SimpleNamespace(share=lambda _: None)
    app.extensions["limiters"] = SimpleNamespace(stream_end=StreamEnd(0.0, 0.0))
