"""Helpers of the commands that read databases or recommend."""

from collections.abc import Iterator
from contextlib import contextmanager

import click

from config.request_settings import RequestSettings
from config.settings import Settings
from recommender.cli.output import quiet
from recommender.container import Container, build_container, loaded
from recommender.entities import DEFAULT_LIMIT


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
