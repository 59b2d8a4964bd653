"""The app that Gunicorn's workers serve, made in the master before they are forked."""

import logging
from collections.abc import Callable, Iterable, Mapping
from traceback import extract_tb
from types import MappingProxyType
from typing import NamedTuple
from wsgiref.types import WSGIApplication

from config.setting_types import SettingsError
from config.settings import Settings

logger = logging.getLogger("gunicorn.error")


class PreparedApp(NamedTuple):
    """An app, its settings, and the environment variables that give the same settings again."""

    settings: Settings
    app: WSGIApplication
    variables: Mapping[str, str] = MappingProxyType({})


_latest: PreparedApp | None = None
# Where the server listens, if that is not HOST: an argument of Gunicorn, or an inherited socket, decides.
_bound_hosts: tuple[str, ...] = ()


def latest_prepared_app() -> PreparedApp | None:
    """Return the last app made in this process or in the parent that it was forked from."""
    return _latest


def note_bound_hosts(hosts: Iterable[str]) -> None:
    """Keep the addresses that the server listens on, for the check of the settings at a reload."""
    global _bound_hosts  # noqa: PLW0603 - must survive a reload of Gunicorn's configuration
    _bound_hosts = tuple(hosts)


def bound_hosts() -> tuple[str, ...]:
    """Return the addresses noted last; none before the server listens."""
    return _bound_hosts


def made_or_previous(make: Callable[[], PreparedApp]) -> PreparedApp:
    """Make an app and keep it for the workers that are forked later; if that fails, return the previous one.

    Raises:
        Exception: what `make` raises, if there is no previous app.
    """
    global _latest  # noqa: PLW0603 - must survive a reload of Gunicorn's configuration
    try:
        _latest = make()
    except Exception as exc:
        # Whatever it is: Gunicorn would end the service.
        if _latest is None:
            raise
        # Without a traceback: it would show the message.
        logger.error("The reload failed, and the earlier configuration stays in use. %s", _in_words(exc))
    return _latest


def _in_words(exc: Exception) -> str:
    """Return the message of a SettingsError, else class and line: other messages may quote passwords."""
    if isinstance(exc, SettingsError):
        return str(exc)
    raised_at = extract_tb(exc.__traceback__)[-1]
    return f"{type(exc).__name__} at {raised_at.filename}:{raised_at.lineno}"
