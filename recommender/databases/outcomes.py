"""Classify the driver's errors by how the service reacts to them."""

from enum import StrEnum

import psycopg
from psycopg_pool import PoolClosed, PoolTimeout, TooManyRequests

_CONFLICT_RETRIES = 5


class StatementOutcome(StrEnum):
    """How a statement failed.

    `no_connection`: there was none in time. `connection_lost`: it broke while the statement ran.
    `slow`: the statement, or a lock it waited for, took longer than this request may. `stale_plan`: a
    prepared statement is no longer valid. `try_again`: the server asks for a retry. `fault`: anything else,
    such as a missing column.
    """

    NO_CONNECTION = "no_connection"
    CONNECTION_LOST = "connection_lost"
    SLOW = "slow"
    STALE_PLAN = "stale_plan"
    TRY_AGAIN = "try_again"
    FAULT = "fault"

    @property
    def may_be_an_outage(self) -> bool:
        """Return whether the database may be down for all requests, so that it must be probed."""
        return self in {
            StatementOutcome.NO_CONNECTION,
            StatementOutcome.CONNECTION_LOST,
            StatementOutcome.SLOW,
        }

    @property
    def retries(self) -> int:
        """Return how often to retry the same statement.

        A standby that replays vacuums and locks of its primary may cancel several statements in a row.
        """
        if self is StatementOutcome.TRY_AGAIN:
            return _CONFLICT_RETRIES
        return 1 if self.spoils_the_pool else 0

    @property
    def spoils_the_pool(self) -> bool:
        """Return whether other connections of the pool most likely fail in the same way."""
        return self in {StatementOutcome.CONNECTION_LOST, StatementOutcome.STALE_PLAN}


_BY_CODE = {
    "57014": StatementOutcome.SLOW,  # query_canceled
    "55P03": StatementOutcome.SLOW,  # lock_not_available
    "40001": StatementOutcome.TRY_AGAIN,  # serialization_failure, as in a conflict with recovery
    "40P01": StatementOutcome.TRY_AGAIN,  # deadlock_detected
    "25P04": StatementOutcome.SLOW,  # transaction_timeout
    "26000": StatementOutcome.STALE_PLAN,  # invalid_sql_statement_name
    "42P05": StatementOutcome.STALE_PLAN,  # duplicate_prepared_statement
}
# Errors with which the server ends the session, whatever their code. postgres_fdw reports the codes of lost
# connections of its own server, too.
_ENDS_SESSION = {"FATAL", "PANIC"}
# "cached plan must not change result type" shares its code with other errors, and its text depends on
# lc_messages. The name of the server's function does not.
_NOT_SUPPORTED = "0A000"
_REVALIDATION = "RevalidateCachedQuery"


class StatementAbandonedError(Exception):
    """The deadline came before the answer."""


def outcome_of(error: Exception, *, connection_broken: bool) -> StatementOutcome:
    """Classify an error of a statement, or of getting a connection for it."""
    if isinstance(error, StatementAbandonedError):
        return StatementOutcome.SLOW
    if isinstance(error, PoolTimeout | PoolClosed | TooManyRequests):
        return StatementOutcome.NO_CONNECTION
    code = getattr(error, "sqlstate", None) or ""
    if code in _BY_CODE:
        return _BY_CODE[code]
    if code == _NOT_SUPPORTED and _raised_in(error) == _REVALIDATION:
        return StatementOutcome.STALE_PLAN
    without_code = not code and isinstance(error, psycopg.OperationalError)
    is_lost = connection_broken or without_code or _ends_session(error)
    return StatementOutcome.CONNECTION_LOST if is_lost else StatementOutcome.FAULT


def _ends_session(error: Exception) -> bool:
    if not isinstance(error, psycopg.Error):
        return False
    # A pooler may send only the one that servers translate.
    return (error.diag.severity_nonlocalized or error.diag.severity) in _ENDS_SESSION


def _raised_in(error: Exception) -> str | None:
    """Return the server's function that raised an error, if known."""
    return error.diag.source_function if isinstance(error, psycopg.Error) else None
