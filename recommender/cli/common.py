"""Helpers of the commands that read databases or recommend."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

import click

from config.request_settings import RequestSettings
from config.setting_types import SettingsError
from config.settings import Settings
from recommender.cli.output import plain_lines, quiet
from recommender.container import Container, build_container, loaded
from recommender.entities import DEFAULT_LIMIT


class IdsFile(click.File):
    """A file of ids to read; - is standard input."""

    def __init__(self) -> None:
        super().__init__("rb")

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> IO[Any]:
        """See click.File."""
        try:
            return super().convert(value, param, ctx)
        except RuntimeError:
            # click's only word on standard input that is closed.
            self.fail("standard input is closed", param, ctx)


class _WrongSettings(click.ClickException):
    exit_code = 2


@contextmanager
def refusing_wrong_settings() -> Iterator[None]:
    """End a command with the status of a wrong command, where 1 asks to run it again, if a setting is wrong.

    Raises:
        ClickException: a setting is wrong.
    """
    try:
        yield
    except SettingsError as exc:
        raise _WrongSettings(plain_lines(str(exc))) from exc


@contextmanager
def opened(settings: Settings) -> Iterator[Container]:
    """Yield the container after loading catalog and model; the data of a failed database is missing.

    Raises:
        SettingsError: no databases are configured.
        ConfigurationError: a database URL or an SQL file is unusable.
    """
    container = build_container(settings)
    with quiet("psycopg", "recommender"), loaded(container, settings.databases):
        yield container


def check_limit(settings: RequestSettings, limit: int | None) -> int:
    """Return the limit given, or the default.

    Raises:
        BadParameter: it is more than MAX_LIMIT.
    """
    if limit is None:
        return min(DEFAULT_LIMIT, settings.max_limit)
    if not 1 <= limit <= settings.max_limit:
        raise click.BadParameter(
            f"must be from 1 to {settings.max_limit} (MAX_LIMIT), got {limit}", param_hint="--limit"
        )
    return limit
