"""How connections are made and set, and how long they wait."""

import math
from dataclasses import dataclass
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.conninfo import conninfo_to_dict

from recommender.deadline import Deadline
from recommender.domain import DatabaseName
from recommender.errors import ConfigurationError

Row = tuple[Any, ...]
RV = TypeVar("RV")

# libpq's least.
_CONNECT_TIMEOUT_S = 2
# What the network may take on top of a statement's own timeout before a connection counts as dead.
_NETWORK_GRACE_S = 2.0

# What every connection is set to, beside its statement timeout.
SESSION_SETTINGS = {
    "default_transaction_read_only": "on",
    # The window's start is in UTC; an overlay for timestamptz columns depends on the session's zone.
    "timezone": "UTC",
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
    # A chunk of 100 users is aggregated without spilling to disk.
    "work_mem": "64MB",
}


@dataclass(frozen=True, slots=True)
class PoolOptions:
    """How a pool behaves.

    `prepared_statements` must be off behind PgBouncer in transaction mode, so every caller says. `breaker`:
    stop asking for a while where asking has failed; for callers that have something else to give.
    """

    prepared_statements: bool
    size: int = 10
    pool_timeout_ms: int = 1_000
    statement_timeout_ms: int = 5_000
    breaker: bool = False

    @property
    def patience_s(self) -> float:
        """How long to wait for a statement without a deadline; for ever without a statement timeout."""
        return self.statement_timeout_ms / 1000 + _NETWORK_GRACE_S if self.statement_timeout_ms else math.inf


class BoundedConnection(psycopg.Connection[Row]):
    """Waits for the server no longer than until its deadline, where it has one, whatever the network does."""

    deadline: Deadline | None = None

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        """What the driver calls wherever it waits."""
        if self.deadline is not None and math.isfinite(self.deadline.ends_at):
            timeout = self.deadline.remaining_s
        return super().wait(gen, interval, timeout)


def connection_arguments(name: DatabaseName, url: str, options: PoolOptions) -> dict[str, Any]:
    """How every connection is made, beside its URL.

    Raises:
        ConfigurationError: the URL cannot be read.
    """
    try:
        given = conninfo_to_dict(url)
    except psycopg.Error:
        # The driver's message may quote the URL, password and all.
        raise ConfigurationError(f"the URL of {name} is not a valid PostgreSQL URL") from None
    settings = {**SESSION_SETTINGS, "statement_timeout": str(options.statement_timeout_ms)}
    flags = [str(given.get("options") or "")] + [f"-c {k}={v}" for k, v in settings.items()]
    return {
        "autocommit": True,
        "application_name": "marquee",
        "client_encoding": "UTF8",
        "connect_timeout": _CONNECT_TIMEOUT_S,
        # A host that is gone without a word is noticed in seconds, not in the kernel's quarter of an hour.
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "tcp_user_timeout": options.statement_timeout_ms + 5_000,
        "options": " ".join(flags).strip(),
        "prepare_threshold": 0 if options.prepared_statements else None,
    }
