"""The app that Gunicorn's workers serve, made in the master before they are forked."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple
from wsgiref.types import WSGIApplication

from config.settings import Settings


class PreparedApp(NamedTuple):
    """An app, its settings, and the environment variables that give the same settings again."""

    settings: Settings
    app: WSGIApplication
    variables: Mapping[str, str] = MappingProxyType({})


_latest: PreparedApp | None = None


def latest_prepared_app() -> PreparedApp | None:
    """Return the last app made in this process or in the parent that it was forked from."""
    return _latest


def keep_prepared_app(make: Callable[[], PreparedApp]) -> PreparedApp:
    """Make an app and keep it for the workers that are forked later.

    If `make` raises, its exception passes on, and the previous app is kept.
    """
    global _latest  # noqa: PLW0603 - must survive a reload of Gunicorn's configuration
    _latest = make()
    return _latest
