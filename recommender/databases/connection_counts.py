"""How many connections a worker opens to a database."""

from recommender.entities import DatabaseName

# How many connections are reserved for reading whole tables: the catalog index, and popularity in windows
# other than the configured one.
BACKGROUND_CONNECTIONS = {DatabaseName.CATALOG: 1, DatabaseName.ENGAGEMENT: 2}


def connections_of_worker(name: DatabaseName, for_requests: int) -> int:
    """Return how many connections a worker opens to a database, up to `for_requests` for requests."""
    # One more, outside of the pool, probes whether the database is up again.
    return for_requests + 1 + BACKGROUND_CONNECTIONS.get(name, 0)
