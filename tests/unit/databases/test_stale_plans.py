"""Errors of the server are classified in whatever language it answers."""

import psycopg
import pytest
from psycopg.pq import DiagnosticField

from recommender.databases.outcomes import StatementOutcome, outcome_of

_STALE = "FEHLER:  gespeicherter Plan darf den Ergebnistyp nicht ändern"


@pytest.mark.parametrize(
    ("raised_in", "outcome"),
    [
        (b"RevalidateCachedQuery", StatementOutcome.STALE_PLAN),
        (b"transformLockingClause", StatementOutcome.FAULT),
    ],
)
def test_a_stale_plan_is_recognized_on_a_server_that_does_not_speak_english(
    raised_in: bytes, outcome: StatementOutcome
) -> None:
    fields: dict[int, bytes | None] = {
        DiagnosticField.SQLSTATE: b"0A000",
        DiagnosticField.SOURCE_FUNCTION: raised_in,
    }
    error = psycopg.errors.FeatureNotSupported(_STALE, info=fields)
    assert outcome_of(error, connection_broken=False) is outcome
