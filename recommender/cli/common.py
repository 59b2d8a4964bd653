"""Helpers of the commands that read databases or recommend."""

from collections.abc import Iterator
from contextlib import contextmanager

import click

from config.request_settings import RequestSettings
from config.settings import Settings
from recommender.cli.output import quiet
from recommender.container import Container, build_container
from recommender.databases.database import Database
from recommender.databases.patient import patient_database as open_patiently
from recommender.entities import DEFAULT_LIMIT, DatabaseName

# The number of statements in a catalog refresh, and spare time for the work between them.
_REFRESH_STATEMENTS, _SPARE_S = 3, 10.0


@contextmanager
def opened(settings: Settings) -> Iterator[Container]:
    """Yield the container after loading catalog and model; the data of a failed database is missing.

    Raises:
        SettingsError: no databases are configured.
        ConfigurationError: a database URL or an SQL file is unusable.
    """
    container = build_container(settings)
    with quiet("psycopg", "recommender"):
        try:
            container.open()
            patience_s = _REFRESH_STATEMENTS * settings.databases.catalog_timeout_ms / 1000 + _SPARE_S
            container.wait_until_loaded(patience_s)
            container.wait_for_model(patience_s)
            yield container
        finally:
            container.close()


@contextmanager
def patient_database(name: DatabaseName, settings: Settings) -> Iterator[Database]:
    """Yield a database without a statement timeout.

    Raises:
        SettingsError: no databases are configured.
        ConfigurationError: a database URL or an SQL file is unusable.
    """
    with open_patiently(name, settings.databases) as database:
        yield database


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
