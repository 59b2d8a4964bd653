"""The configured databases as a source for evaluations and training runs."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from config.database_settings import DatabaseSettings
from recommender.data.interactions import interactions_of
from recommender.databases.catalog_db import CatalogDatabase
from recommender.databases.engagement_db import EngagementDatabase, InteractionArrays
from recommender.databases.patient import patient_database
from recommender.databases.user_db import UserDatabase
from recommender.domains.base import Domain
from recommender.entities import DatabaseName, InteractionTypes
from recommender.evaluation.sources import Source, stated_genres_in

_TURN_POLL_S = 2.0
# After that, reading on two hosts at a time is better than waiting longer.
_LONGEST_TURN_S = 3_600.0

Reading = Callable[[EngagementDatabase], Iterable[InteractionArrays]]


@contextmanager
def databases_source(
    settings: DatabaseSettings, types: InteractionTypes, domain: Domain, window_days: int, read: Reading
) -> Iterator[Source]:
    """Yield the data: interactions and catalog in memory; stated genres are read on demand.

    Args:
        settings: of the databases.
        types: what the types of interactions mean.
        domain: what is recommended.
        window_days: how many days back interactions count, 0 for all time.
        read: returns all interactions of engagement_db.

    Raises:
        EvaluationError: the databases are empty.
        DatabaseUnavailableError: a database does not answer.
    """
    with patient_database(DatabaseName.ENGAGEMENT, settings) as database:
        interactions = interactions_of(read(EngagementDatabase(database, types)))
    with patient_database(DatabaseName.CATALOG, settings) as database:
        entries = CatalogDatabase(database, domain).fetch_catalogue()
    with patient_database(DatabaseName.USER, settings) as database:
        yield Source(
            name="the configured databases",
            interactions=interactions,
            entries=entries,
            window_days=window_days,
            stated=stated_genres_in(UserDatabase(database)),
            domain=domain,
        )


def read_in_turn(engagement_db: EngagementDatabase) -> Iterable[InteractionArrays]:
    """Yield all interactions, after waiting until no other host reads them for a training.

    The lock ends with the connection: the database must have one connection, and be closed afterwards.
    """
    ends_at = time.monotonic() + _LONGEST_TURN_S
    while not engagement_db.take_training_turn() and time.monotonic() < ends_at:
        time.sleep(_TURN_POLL_S)
    yield from engagement_db.stream_interactions()
