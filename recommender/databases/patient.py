"""A database for commands and trainings, whose statements may take long."""

from collections.abc import Iterator
from contextlib import contextmanager

from config.database_settings import DatabaseSettings
from recommender.databases.connections import Purpose
from recommender.databases.database import Database
from recommender.entities import DatabaseName


@contextmanager
def patient_database(name: DatabaseName, settings: DatabaseSettings) -> Iterator[Database]:
    """Yield an open database without a statement timeout. Each wait for rows ends after an hour.

    Raises:
        SettingsError: no databases are configured.
        ConfigurationError: its URL or an SQL file is unusable.
    """
    database = Database(name, settings.for_command(), purpose=Purpose.COMMANDS)
    database.open()
    try:
        yield database
    finally:
        database.close()
