"""The app that Gunicorn's workers serve, made in the master before they are forked."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple
from wsgiref.types import WSGIApplication

from config.settings import Settings


class TriedApp(NamedTuple):
    """An app, the settings it was made from, and the variables that make the same settings again."""

    settings: Settings
    app: WSGIApplication
    variables: Mapping[str, str] = MappingProxyType({})


_latest: TriedApp | None = None


def latest_tried_app() -> TriedApp | None:
    """The last app that could be made in this process, or in the one that it was forked from."""
    return _latest


def keep_tried_app(make: Callable[[], TriedApp]) -> TriedApp:
    """Make an app and keep it for the workers, who are forked later.

    Whatever `make` raises is raised, and the app before, if there is one, is kept.
    """
    global _latest  # noqa: PLW0603 - the one thing that outlives a reload of Gunicorn's configuration
    _latest = make()
    return _latest
