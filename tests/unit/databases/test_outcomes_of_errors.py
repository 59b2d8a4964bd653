"""An error of the driver is classified by its code first, then by what has become of the connection."""

import psycopg
import pytest
from psycopg.errors import lookup
from psycopg_pool import PoolClosed, PoolTimeout, TooManyRequests

from recommender.databases.outcomes import StatementAbandonedError, StatementOutcome, outcome_of


@pytest.mark.parametrize("is_broken", [False, True], ids=["usable", "broken"])
@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("57014", StatementOutcome.SLOW),
        ("55P03", StatementOutcome.SLOW),
        # With it, the server also ends the session.
        ("25P04", StatementOutcome.SLOW),
        ("40001", StatementOutcome.TRY_AGAIN),
        ("40P01", StatementOutcome.TRY_AGAIN),
        ("26000", StatementOutcome.STALE_PLAN),
        ("42P05", StatementOutcome.STALE_PLAN),
    ],
)
def test_a_known_code_decides(code: str, expected: StatementOutcome, *, is_broken: bool) -> None:
    assert outcome_of(lookup(code)(), connection_broken=is_broken) is expected


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (StatementAbandonedError(), StatementOutcome.SLOW),
        (PoolTimeout(), StatementOutcome.NO_CONNECTION),
        (PoolClosed(), StatementOutcome.NO_CONNECTION),
        (TooManyRequests(), StatementOutcome.NO_CONNECTION),
        (psycopg.OperationalError("server closed the connection"), StatementOutcome.CONNECTION_LOST),
        (lookup("42703")(), StatementOutcome.FAULT),
        (lookup("0A000")(), StatementOutcome.FAULT),
    ],
)
def test_without_a_known_code_the_kind_of_error_decides(error: Exception, expected: StatementOutcome) -> None:
    assert outcome_of(error, connection_broken=False) is expected


def test_an_unknown_code_on_a_broken_connection_is_a_lost_connection() -> None:
    assert outcome_of(lookup("42703")(), connection_broken=True) is StatementOutcome.CONNECTION_LOST


@pytest.mark.parametrize(
    ("outcome", "retries"),
    [
        (StatementOutcome.NO_CONNECTION, 0),
        (StatementOutcome.CONNECTION_LOST, 1),
        (StatementOutcome.SLOW, 0),
        (StatementOutcome.STALE_PLAN, 1),
        (StatementOutcome.TRY_AGAIN, 5),
        (StatementOutcome.FAULT, 0),
    ],
)
def test_a_statement_is_repeated_only_where_that_may_help(outcome: StatementOutcome, retries: int) -> None:
    assert outcome.retries == retries
