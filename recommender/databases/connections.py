"""Make and configure connections, and bound their waits."""

import functools
import logging
import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

import psycopg
from psycopg import IsolationLevel
from psycopg.abc import PQGen, Transformer
from psycopg.conninfo import conninfo_attempts, conninfo_to_dict
from psycopg.pq.abc import PGconn as AnyPGconn
from psycopg.rows import RowFactory, tuple_row

from config.database_settings import DatabaseSettings
from recommender.databases.arrays import adapt_arrays
from recommender.databases.connection_options import (
    connect_timeout_s,
    count_hosts,
    parsed_options,
    refuse_contradictions,
    resolved_options,
)
from recommender.databases.queries import Query, load_queries
from recommender.databases.texts import adapt_texts
from recommender.deadline import Deadline
from recommender.entities import DatabaseName
from recommender.errors import ConfigurationError

logger = logging.getLogger(__name__)

Row = tuple[Any, ...]
RV = TypeVar("RV")

# The smallest that libpq accepts. No request waits for commands, and a login may take seconds, for example
# while a database resumes.
_CONNECT_TIMEOUT_S = 2
_COMMAND_CONNECT_TIMEOUT_S = 10
# How long commands wait for a statement, or for the next rows of a stream. Sorting a large table takes many
# minutes, but a server that hangs must not hold up trainings for ever.
_COMMAND_PATIENCE_S = 3_600.0
# How much longer than a statement's own timeout the network may take before a connection counts as dead.
_NETWORK_GRACE_S = 2.0
# When the kernel asks a silent host for a sign of life, which a live one gives during a long statement.
_PROBE_AFTER_S = 5
_PROBE_EVERY_S = 2
# A host that vanished is noticed after 11 s, not after the kernel's 15 minutes.
_PROBES = 3
# After 65 s: what commands lose with a connection may be the work of hours. A server that takes no data, for
# example while its virtual machine moves, counts as silent, too.
_COMMAND_PROBES = 30
_TRANSACTION_TIMEOUT_SINCE = 17_00_00

# Settings of every session, beside its statement timeout; without units, as in pg_settings.
SESSION_SETTINGS = {
    "default_transaction_read_only": "on",
    # Serializable reads hold predicate locks: conflicts with them would abort writes of the app.
    "default_transaction_isolation": "read committed",
    "default_transaction_deferrable": "off",
    # The window's start is in UTC; an overlay for timestamptz columns depends on the session's time zone.
    "TimeZone": "UTC",
    # The statements are short, and many run at once: neither parallel workers nor JIT pay off.
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
    # For a user it takes for an average one, the planner would sort the whole history instead of reading the
    # index in order up to the LIMIT; the heaviest users would then be read whole.
    "enable_bitmapscan": "off",
    # Planning once per connection: planning for each request would take longer than most statements do. The
    # plan tests hold custom and generic plans to the same bounds.
    "plan_cache_mode": "force_generic_plan",
    # The indexes used are in memory, where a random page costs as much as the next one.
    "random_page_cost": "1.1",
    # Kilobytes: a chunk of 100 users is aggregated without spilling to disk.
    "work_mem": "65536",
}
_TIMEOUT = "statement_timeout"
# Without these, statements could write, abort writes, return wrong rows or never end; the others only make
# them faster.
ESSENTIAL_SETTINGS = frozenset(
    {
        "default_transaction_read_only",
        "default_transaction_isolation",
        "default_transaction_deferrable",
        "TimeZone",
        _TIMEOUT,
    }
)
_SAME_VALUES = {"TimeZone": {"UTC", "Etc/UTC", "GMT", "Etc/GMT", "Zulu", "UCT", "Etc/UCT"}}


class BoundedConnection(psycopg.Connection[Row]):
    """Wait for the server at most until the connection's deadline, if it has one, on any network."""

    deadline: Deadline | None = None
    # The limit of each wait if there is no deadline; None for no limit.
    patience_s: float | None = None

    def __init__(self, pgconn: AnyPGconn, row_factory: RowFactory[Row] = tuple_row) -> None:
        """Wrap a libpq connection; called by the driver."""
        super().__init__(pgconn, row_factory)
        # Names of the statements that `statements.py` has prepared.
        self.prepared: set[bytes] = set()

    @functools.cached_property
    def transformer(self) -> Transformer:
        """What `statements.py` converts parameters and rows with; it remembers how, by type.

        Made after the connection's own adapters are registered.
        """
        return psycopg.adapt.Transformer(self)

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        """Run one of the driver's waits with the deadline; the driver calls this for each of its waits."""
        if self.deadline is not None and math.isfinite(self.deadline.ends_at):
            timeout = self.deadline.remaining_s
        elif self.patience_s is not None:
            timeout = self.patience_s
        return super().wait(gen, interval, timeout)


class WritingConnection(psycopg.Connection[Row]):
    """Ends if the server sends and takes nothing for `longest_wait_s`, if that is not None."""

    longest_wait_s: float | None = None

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        """Run one of the driver's waits; the driver calls this for each of its waits."""
        limit_s = self.longest_wait_s if timeout is None else timeout
        try:
            return super().wait(gen, interval, limit_s)
        except psycopg.OperationalError as exc:
            # Errors of the server have a code, and a connection that was lost is broken.
            if limit_s is None or exc.sqlstate is not None or self.broken:
                raise
            # Else the driver would wait as long again for the end of a COPY, and to roll back.
            self.close()
            raise psycopg.OperationalError(f"no answer for {limit_s:.0f} seconds") from exc


@dataclass(frozen=True, slots=True)
class SettingDifference:
    """A session setting with another value than wanted; `wanted` and `found` are without units."""

    setting: str
    wanted: str
    found: str

    def __str__(self) -> str:
        return f"{self.setting} is {self.found or 'unknown'} instead of {self.wanted}"


class Purpose(StrEnum):
    """What connections are for. A worker has a pool for each of the first two."""

    REQUESTS = "requests"
    WHOLE_TABLES = "reads of whole tables"
    COMMANDS = "commands"


class Connector:
    """Make the connections that read one database, for a pool, a probe or a command.

    Raises:
        SettingsError: no databases are configured.
        ConfigurationError: the URL cannot be read, or contradicts the session settings.
    """

    def __init__(
        self, name: DatabaseName, settings: DatabaseSettings, purpose: Purpose = Purpose.REQUESTS
    ) -> None:
        self.url = settings.url(name)
        given = parsed_options(name, self.url)
        refuse_contradictions(name, given, settings.session_settings_by)
        try:
            timeout_s = connect_timeout_s(given, _least_connect_timeout_s(purpose))
        except psycopg.ProgrammingError as exc:
            raise ConfigurationError(
                f"the URL of {name}, its service file or PGCONNECT_TIMEOUT: {exc}"
            ) from None
        # Hosts are tried one after the other. How many addresses they have is known later.
        self.other_hosts_s = timeout_s * (count_hosts(given) - 1)
        """How long the other hosts of the URL may delay a connection to one that answers."""
        self.failures = 0
        """How many calls of `connect` have failed."""
        self._lock = threading.Lock()
        self._name = name
        self._purpose = purpose
        self._connect_timeout_s = timeout_s
        self._settings_by = settings.session_settings_by
        self._session = {**SESSION_SETTINGS, _TIMEOUT: str(settings.statement_timeout_ms)}
        if not settings.prepared_statements:
            del self._session["plan_cache_mode"]
        self._told: frozenset[SettingDifference] = frozenset()
        self.arguments = {
            **_common_arguments("marquee", purpose, timeout_s),
            "prepare_threshold": 0 if settings.prepared_statements else None,
        }
        if self._settings_by == "startup":
            # A space ends a value, unless it is escaped.
            flags = [f"-c {k}={v.replace(' ', chr(92) + ' ')}" for k, v in self._session.items()]
            self.arguments["options"] = " ".join([given.get("options", ""), *flags]).strip()

    def connect(self) -> BoundedConnection:
        """Return a connection outside of any pool, within seconds.

        Raises:
            psycopg.Error: the server refuses, or does not answer.
        """
        try:
            return self._connect()
        except psycopg.Error:
            with self._lock:
                self.failures += 1
            raise

    def _connect(self) -> BoundedConnection:
        # Each address of a host is an attempt with a timeout of its own, and `prefer-standby` doubles them.
        # They are looked up for each connection, as a failover may change them.
        attempts = len(conninfo_attempts(conninfo_to_dict(self.url)))
        self.other_hosts_s = self._connect_timeout_s * (attempts - 1)
        connection = BoundedConnection.connect(self.url, **self.arguments)
        try:
            self.configure(connection)
        except psycopg.Error:
            connection.close()
            raise
        return connection

    def configure(self, connection: BoundedConnection) -> None:
        """Configure a new connection, and log each setting that did not take effect once.

        Raises:
            psycopg.Error: the server refuses, or does not answer.
        """
        adapt_arrays(connection)
        # A pool does not bound this wait, and a pooler may accept connections while its server is down.
        connection.deadline = Deadline.after(self._connect_timeout_s)
        try:
            if self._settings_by == "set":
                _set_for_session(connection, self._session)
            adapt_texts(connection)
            differences = frozenset(self.differences(connection))
        finally:
            connection.deadline = None
        if differences - self._told:
            self._told |= differences
            listed = "; ".join(sorted(map(str, differences)))
            logger.warning(
                "%s: sessions for %s do not have the settings of the service: %s. See SESSION_SETTINGS_BY",
                self._name,
                self._purpose,
                listed,
            )

    def differences(self, connection: BoundedConnection) -> list[SettingDifference]:
        """Return the settings of a session that do not have the wanted value.

        Raises:
            psycopg.Error: the server refuses, or does not answer.
        """
        statement = _queries()["fetch_settings"].statement
        # Not prepared: it runs once per connection.
        rows = connection.execute(statement, {"setting_names": list(self._session)}, prepare=False)
        found: dict[str, str] = dict(rows.fetchall())
        return [
            SettingDifference(setting, wanted, found.get(setting, ""))
            for setting, wanted in self._session.items()
            if not self._is_fulfilled(setting, wanted, found.get(setting, ""))
        ]

    def _is_fulfilled(self, setting: str, wanted: str, found: str) -> bool:
        if setting == _TIMEOUT and self._settings_by == "role":
            # One timeout for short and whole-table reads; the client bounds each, too.
            return found not in {"", "0"} or wanted == "0"
        if setting == "work_mem":
            return found.isdecimal() and int(found) >= int(wanted)
        return found == wanted or {found, wanted} <= _SAME_VALUES.get(setting, set())


def set_for_transaction(connection: psycopg.Connection[Row], settings: Mapping[str, str]) -> None:
    """Set a setting for the current transaction only, which works behind every pooler.

    Raises:
        psycopg.Error: the server refuses, or does not answer.
    """
    _set(connection, settings, of_transaction=True)


def sole_timeout(connection: psycopg.Connection[Row], statement_timeout_ms: int) -> dict[str, str]:
    """Return settings with which a transaction has this timeout alone, whatever those of the role are."""
    settings = {_TIMEOUT: str(statement_timeout_ms)}
    if connection.info.server_version >= _TRANSACTION_TIMEOUT_SINCE:
        settings["transaction_timeout"] = "0"
    return settings


def statement_patience_s(settings: DatabaseSettings) -> float:
    """Return how many seconds to wait for a statement without a deadline."""
    timeout_ms = settings.statement_timeout_ms
    return timeout_ms / 1000 + _NETWORK_GRACE_S if timeout_ms else _COMMAND_PATIENCE_S


def connect_to_write(url: str) -> WritingConnection:
    """Return a connection for loading data, without the session settings of the service.

    Raises:
        psycopg.Error: the server refuses, or does not answer.
    """
    arguments = _common_arguments("marquee load", Purpose.COMMANDS, connect_timeout_to_write_s(url))
    return WritingConnection.connect(url, **arguments, prepare_threshold=None)


def connect_timeout_to_write_s(url: str) -> int:
    """Return how long to wait for each host of a URL.

    Raises:
        psycopg.Error: the URL, its service or its timeout is not valid.
    """
    return connect_timeout_s(resolved_options(url), _least_connect_timeout_s(Purpose.COMMANDS))


def _least_connect_timeout_s(purpose: Purpose) -> int:
    return _COMMAND_CONNECT_TIMEOUT_S if purpose is Purpose.COMMANDS else _CONNECT_TIMEOUT_S


@functools.cache
def _queries() -> Mapping[str, Query]:
    return load_queries("session")


def _set_for_session(connection: BoundedConnection, settings: Mapping[str, str]) -> None:
    # A hot standby refuses transactions at serializable, which may be the database's default.
    connection.isolation_level = IsolationLevel.READ_COMMITTED
    with connection.transaction():
        _set(connection, settings, of_transaction=False)
    connection.isolation_level = None


def _set(connection: psycopg.Connection[Row], settings: Mapping[str, str], *, of_transaction: bool) -> None:
    parameters = {
        "setting_names": list(settings),
        "setting_values": list(settings.values()),
        "of_transaction": of_transaction,
    }
    connection.execute(_queries()["set_settings"].statement, parameters, prepare=False)


def _common_arguments(application_name: str, purpose: Purpose, timeout_s: int) -> dict[str, Any]:
    probes = _COMMAND_PROBES if purpose is Purpose.COMMANDS else _PROBES
    return {
        "autocommit": True,
        "application_name": application_name,
        "client_encoding": "UTF8",
        "connect_timeout": timeout_s,
        "keepalives_idle": _PROBE_AFTER_S,
        "keepalives_interval": _PROBE_EVERY_S,
        "keepalives_count": probes,
        # For data that waits to be acknowledged. Where this is set, Linux ignores the number of probes: the
        # first unanswered one after this time ends the connection.
        "tcp_user_timeout": 1000 * (_PROBE_AFTER_S + _PROBE_EVERY_S * probes),
    }
