"""Connections: round-trip times, session settings, and connection limits."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from recommender.databases.connection_counts import connections_of_worker
from recommender.databases.connections import ESSENTIAL_SETTINGS
from recommender.databases.inspection import Inspection
from recommender.diagnostics.findings import DEPLOYING, POOLERS, Finding, Level
from recommender.entities import DatabaseName

# A request makes five round trips and may take one second in all.
_FAR_MS = 20.0


@dataclass(frozen=True, slots=True)
class Server:
    """A database's server; `started_at` is the same for databases of one server.

    `role_limit`, `database_limit`: CONNECTION LIMIT of the `login` role and of the database; -1 is none.
    `role_sql`, `login_sql`, `database_sql`: the names as SQL writes them, quoted where that is necessary.
    """

    version: str
    role: str
    started_at: str
    max_connections: int
    reserved_connections: int
    database: str
    login: str
    role_limit: int
    database_limit: int
    role_sql: str
    login_sql: str
    database_sql: str


def look_at_server(inspection: Inspection) -> Server:
    """Return the server's version, roles and limits.

    Raises:
        InspectionError: PostgreSQL refuses.
    """
    ((*row,),) = inspection.fetch("fetch_server")
    return Server(*row)


def check_connection(name: DatabaseName, inspection: Inspection, server: Server) -> Finding:
    """Measure the round trip in milliseconds.

    Raises:
        InspectionError: PostgreSQL refuses.
    """
    round_trip_ms = inspection.measure_round_trip_ms()
    means = f"PostgreSQL {server.version} as {server.role}, {round_trip_ms:.1f} ms round trip"
    if round_trip_ms > _FAR_MS:
        to_do = "Run the service closer to it: each request makes five round trips."
        return Finding(Level.WARNING, name, "connection", means, to_do)
    return Finding(Level.OK, name, "connection", means)


def unusable_connection(name: DatabaseName, reason: str) -> Finding:
    """Return a finding on a database that cannot be reached."""
    to_do = f"Check that it runs, and that DB_HOST or {name.upper()}_URL has its address and role."
    if "startup parameter" in reason:
        to_do = f"A pooler rejects settings sent with a connection: set SESSION_SETTINGS_BY ({POOLERS})."
    return Finding(Level.ERROR, name, "connection", f"cannot be used: {reason}", to_do)


def check_session(name: DatabaseName, inspection: Inspection) -> Finding:
    """Check that a session has its settings; poolers may drop them.

    Raises:
        InspectionError: PostgreSQL refuses.
    """
    missed = inspection.settings_missed()
    if not missed:
        return Finding(
            Level.OK, name, "session", "read-only, with a statement timeout and all session settings"
        )
    needed = any(difference.setting in ESSENTIAL_SETTINGS for difference in missed)
    to_do = f"Set SESSION_SETTINGS_BY ({POOLERS}): a pooler drops settings, or a role lacks them."
    means = "; ".join(map(str, missed))
    return Finding(Level.ERROR if needed else Level.WARNING, name, "session", means, to_do)


def check_pools(servers: Mapping[DatabaseName, Server], pool_size: int, workers: int) -> Iterator[Finding]:
    """Check that each server allows the connections of all pools on it."""
    ordered = sorted(servers.items(), key=lambda item: item[1].started_at)
    for _, group in groupby(ordered, key=lambda item: item[1].started_at):
        listed = list(group)
        names = [name for name in DatabaseName if name in dict(listed)]
        server = listed[0][1]
        wanted = sum(connections_opened(name, pool_size, workers) for name in names)
        reloading = sum(connections_opened(name, pool_size, workers, reloading=True) for name in names)
        takes = server.max_connections - server.reserved_connections
        means = (
            f"up to {wanted} by POOL_SIZE × WORKERS and in the background, {reloading} while a reload "
            f"replaces the workers; the server allows {takes}"
        )
        if wanted > takes:
            to_do = f"Lower POOL_SIZE (THREADS is enough) or WORKERS, or raise max_connections ({DEPLOYING})."
            yield Finding(Level.WARNING, ", ".join(names), "connections", means, to_do)
        else:
            yield Finding(Level.OK, ", ".join(names), "connections", means)


def check_limits(servers: Mapping[DatabaseName, Server], pool_size: int, workers: int) -> Iterator[Finding]:
    """Yield a finding for each role and database whose CONNECTION LIMIT is below what is opened in a reload.

    A role's limit counts its connections to all databases of a server.
    """
    roles: dict[tuple[str, str], list[DatabaseName]] = {}
    databases: dict[tuple[str, str], list[DatabaseName]] = {}
    for name, server in servers.items():
        roles.setdefault((server.started_at, server.login), []).append(name)
        databases.setdefault((server.started_at, server.database), []).append(name)
    opened = {name: connections_opened(name, pool_size, workers, reloading=True) for name in servers}
    for (_, role), names in roles.items():
        wanted = sum(opened[name] for name in names)
        server = servers[names[0]]
        alter = f"ALTER ROLE {server.login_sql}"
        yield from _check_limit(f"role {role}", alter, server.role_limit, wanted, names)
    for (_, database), names in databases.items():
        wanted = sum(opened[name] for name in names)
        server = servers[names[0]]
        alter = f"ALTER DATABASE {server.database_sql}"
        yield from _check_limit(f"database {database}", alter, server.database_limit, wanted, names)


def connections_opened(name: DatabaseName, pool_size: int, workers: int, *, reloading: bool = False) -> int:
    """Return how many connections the service opens to a database at most.

    While it reloads, the new workers run beside the old ones, until these have ended their requests.
    """
    # All of the pool: while abandoned statements are cancelled, requests use further connections.
    of_worker = connections_of_worker(name, pool_size)
    trainer = 1
    return workers * of_worker * (2 if reloading else 1) + trainer


def _check_limit(
    subject: str, alter: str, limit: int, wanted: int, databases: Sequence[DatabaseName]
) -> Iterator[Finding]:
    if limit < 0:
        return
    listed, about = ", ".join(databases), f"connection limit of {subject}"
    means = (
        f"{limit}; up to {wanted} are opened by POOL_SIZE × WORKERS, in the background, and while a reload "
        "replaces the workers"
    )
    if wanted > limit:
        to_do = (
            f"{alter} CONNECTION LIMIT {wanted}; or more, as other users of it "
            f"count too; or lower WORKERS or POOL_SIZE ({DEPLOYING})."
        )
        yield Finding(Level.WARNING, listed, about, means, to_do)
    else:
        yield Finding(Level.OK, listed, about, means)
