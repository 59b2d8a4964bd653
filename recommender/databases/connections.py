"""How connections are made and set, and how long they wait."""

import functools
import logging
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import Conninfo
from psycopg.pq.abc import PGconn
from psycopg.rows import RowFactory, tuple_row

from config.database_settings import DatabaseSettings
from recommender.databases.arrays import adapt_arrays
from recommender.databases.queries import Query, load_queries
from recommender.databases.texts import adapt_texts
from recommender.deadline import Deadline
from recommender.entities import DatabaseName
from recommender.errors import ConfigurationError

logger = logging.getLogger(__name__)

Row = tuple[Any, ...]
RV = TypeVar("RV")

# libpq's least.
_CONNECT_TIMEOUT_S = 2
# What the network may take on top of a statement's own timeout before a connection counts as dead.
_NETWORK_GRACE_S = 2.0

# What every session is set to, beside its statement timeout; without units, as pg_settings has them.
SESSION_SETTINGS = {
    "default_transaction_read_only": "on",
    # The window's start is in UTC; an overlay for timestamptz columns depends on the session's zone.
    "TimeZone": "UTC",
    # The statements are short, and many run at once: neither workers nor compiled code pay.
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
    # Where the planner takes a user for an average one, it would rather collect all of a history and sort
    # it than read the index in order and stop at the LIMIT; the heaviest users are then read whole.
    "enable_bitmapscan": "off",
    # A plan is made once a connection, not again for each request, which would take longer than most of the
    # statements do; the plan tests hold both kinds to the same bounds.
    "plan_cache_mode": "force_generic_plan",
    # The indexes the statements live on are in memory, where the next page is as near as any other.
    "random_page_cost": "1.1",
    # Kilobytes: a chunk of 100 users is aggregated without spilling to disk.
    "work_mem": "65536",
}
_TIMEOUT = "statement_timeout"
# Without these, statements may write, answers be wrong, or nothing end; without the others all is slower.
ESSENTIAL_SETTINGS = frozenset({"default_transaction_read_only", "TimeZone", _TIMEOUT})
_SAME_VALUES = {"TimeZone": {"UTC", "Etc/UTC", "GMT", "Etc/GMT", "Zulu", "UCT", "Etc/UCT"}}
_WRITABLE = re.compile(
    r"default_transaction_read_only\s*=\s*(off?|f|fa|fal|fals|false|no?|0)\b", re.IGNORECASE
)


class BoundedConnection(psycopg.Connection[Row]):
    """Waits for the server no longer than until its deadline, where it has one, whatever the network does."""

    deadline: Deadline | None = None

    def __init__(self, pgconn: PGconn, row_factory: RowFactory[Row] = tuple_row) -> None:
        """Wrap a connection of libpq; called by the driver."""
        super().__init__(pgconn, row_factory)
        # The names of the statements that `statements.py` has prepared.
        self.prepared: set[bytes] = set()

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        """What the driver calls wherever it waits."""
        if self.deadline is not None and math.isfinite(self.deadline.ends_at):
            timeout = self.deadline.remaining_s
        return super().wait(gen, interval, timeout)


@dataclass(frozen=True, slots=True)
class Difference:
    """A setting that a session does not have as it should: `wanted` and `found` without units."""

    setting: str
    wanted: str
    found: str

    def __str__(self) -> str:
        return f"{self.setting} is {self.found or 'unknown'} instead of {self.wanted}"


class Connector:
    """Makes every connection that reads one database, be it for a pool, a probe or a command.

    Raises:
        SettingsError: no databases are configured.
        ConfigurationError: the URL cannot be read, or contradicts what every session is set to.
    """

    def __init__(self, name: DatabaseName, settings: DatabaseSettings) -> None:
        self.url = settings.url(name)
        given = _parsed(name, self.url)
        _refuse_contradictions(name, given)
        self._name = name
        self._settings_by = settings.session_settings_by
        self._session = {**SESSION_SETTINGS, _TIMEOUT: str(settings.statement_timeout_ms)}
        if not settings.prepared_statements:
            del self._session["plan_cache_mode"]
        self._told: frozenset[Difference] = frozenset()
        self.arguments = {
            **_common_arguments("marquee", settings.statement_timeout_ms),
            "prepare_threshold": 0 if settings.prepared_statements else None,
        }
        if self._settings_by == "startup":
            flags = [str(given.get("options") or ""), *(f"-c {k}={v}" for k, v in self._session.items())]
            self.arguments["options"] = " ".join(flags).strip()

    def connect(self) -> BoundedConnection:
        """A connection outside of any pool, within seconds.

        Raises:
            psycopg.Error: the server refuses, or does not answer.
        """
        connection = BoundedConnection.connect(self.url, **self.arguments)
        try:
            self.configure(connection)
        except psycopg.Error:
            connection.close()
            raise
        return connection

    def configure(self, connection: BoundedConnection) -> None:
        """Set up a new connection, and log what it should have and has not, once for each difference.

        Raises:
            psycopg.Error: the server refuses, or does not answer.
        """
        adapt_arrays(connection)
        # A pool does not bound this; a pooler may have accepted what no server answers.
        connection.deadline = Deadline.after(_CONNECT_TIMEOUT_S)
        try:
            adapt_texts(connection)
            if self._settings_by == "set":
                _set(connection, self._session, of_transaction=False)
            differences = frozenset(self.differences(connection))
        finally:
            connection.deadline = None
        if differences - self._told:
            self._told |= differences
            listed = "; ".join(sorted(map(str, differences)))
            logger.warning(
                "%s: sessions do not have the settings they should have: %s. See SESSION_SETTINGS_BY",
                self._name,
                listed,
            )

    def differences(self, connection: BoundedConnection) -> list[Difference]:
        """What a session does not have as it should.

        Raises:
            psycopg.Error: the server refuses, or does not answer.
        """
        statement = _queries()["fetch_settings"].statement
        # Not prepared: it runs once a connection.
        rows = connection.execute(statement, {"setting_names": list(self._session)}, prepare=False)
        found: dict[str, str] = dict(rows.fetchall())
        return [
            Difference(setting, wanted, found.get(setting, ""))
            for setting, wanted in self._session.items()
            if not self._is_fulfilled(setting, wanted, found.get(setting, ""))
        ]

    def _is_fulfilled(self, setting: str, wanted: str, found: str) -> bool:
        if setting == _TIMEOUT and self._settings_by == "role":
            # One for requests and for what is read whole; each is bounded on this side, too.
            return found not in {"", "0"} or wanted == "0"
        if setting == "work_mem":
            return found.isdecimal() and int(found) >= int(wanted)
        return found == wanted or {found, wanted} <= _SAME_VALUES.get(setting, set())


def set_for_transaction(connection: BoundedConnection, settings: Mapping[str, str]) -> None:
    """Set something for the transaction under way, which works behind every pooler.

    Raises:
        psycopg.Error: the server refuses, or does not answer.
    """
    _set(connection, settings, of_transaction=True)


def statement_patience_s(settings: DatabaseSettings) -> float:
    """Return how long to wait for a statement without a deadline; for ever without a statement timeout."""
    timeout_ms = settings.statement_timeout_ms
    return timeout_ms / 1000 + _NETWORK_GRACE_S if timeout_ms else math.inf


def connect_to_write(url: str) -> psycopg.Connection[Row]:
    """A connection for loading data, which no setting of the service's sessions applies to.

    Raises:
        psycopg.Error: the server refuses, or does not answer.
    """
    return psycopg.connect(url, **_common_arguments("marquee load", 0), prepare_threshold=None)


@functools.cache
def _queries() -> Mapping[str, Query]:
    return load_queries("session")


def _set(connection: BoundedConnection, settings: Mapping[str, str], *, of_transaction: bool) -> None:
    parameters = {
        "setting_names": list(settings),
        "setting_values": list(settings.values()),
        "of_transaction": of_transaction,
    }
    connection.execute(_queries()["set_settings"].statement, parameters, prepare=False)


def _common_arguments(application_name: str, statement_timeout_ms: int) -> dict[str, Any]:
    return {
        "autocommit": True,
        "application_name": application_name,
        "client_encoding": "UTF8",
        "connect_timeout": _CONNECT_TIMEOUT_S,
        # A host that is gone without a word is noticed in seconds, not in the kernel's quarter of an hour.
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "tcp_user_timeout": statement_timeout_ms + 5_000,
    }


def _parsed(name: DatabaseName, url: str) -> Mapping[str, Any]:
    try:
        given = conninfo_to_dict(url)
    except psycopg.Error:
        # The driver's message may quote the URL, password and all.
        raise ConfigurationError(f"the URL of {name} is not a valid PostgreSQL URL") from None
    # What libpq takes from the environment, such as PGOPTIONS, counts where the URL says nothing.
    defaults = {
        option.keyword.decode(): option.val.decode()
        for option in Conninfo.get_defaults()
        if option.val is not None
    }
    return {**defaults, **given}


def _refuse_contradictions(name: DatabaseName, given: Mapping[str, Any]) -> None:
    """Refuse what could never work, or would take effect against what the service promises.

    Raises:
        ConfigurationError: there is such a thing; the message names it.
    """
    if given.get("target_session_attrs") == "read-write":
        raise ConfigurationError(
            f"the URL of {name}, or PGTARGETSESSIONATTRS, has target_session_attrs=read-write: the service's "
            "sessions are read-only, so that no server would do. Use target_session_attrs=primary"
        )
    if _WRITABLE.search(str(given.get("options") or "")):
        raise ConfigurationError(
            f"the URL of {name}, or PGOPTIONS, turns default_transaction_read_only off: the service's "
            "sessions are read-only. Remove it"
        )
