"""An exact search reads only the users who may be among the most similar, and answers as if it read all."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from recommender.databases.queries import SQL_ROOT
from recommender.databases.recording import recorded_statements
from recommender.demo.generate import generate
from recommender.demo.load import load_demo
from recommender.entities import DatabaseName
from recommender.models.user_knn import live_arrays
from tests.support.clients import PATIENT, get, no_progress, post_batch, running_client
from tests.support.made_up import SMALL
from tests.support.postgres import Urls
from tests.support.reference import Reference

_SIZE = replace(SMALL, users=1_200, interactions=24_000)
ENGAGEMENT = DatabaseName.ENGAGEMENT
_READ = "engagement_db.fetch_media_of_users"


@pytest.fixture
def urls(empty_databases: Urls) -> Urls:
    data = generate(_SIZE, seed=5, now=datetime.now(UTC).replace(tzinfo=None))
    load_demo(empty_databases, data, no_progress)
    return empty_databases


def test_answers_are_those_of_a_search_that_reads_everyone(
    urls: Urls, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Reference(urls).users[::60]
    with running_client(urls, **PATIENT) as client, recorded_statements() as in_two_steps:
        answers = [get(client, user, limit=50, explain="true") for user in asked]
        batch = post_batch(client, asked, limit=50)
    monkeypatch.setattr(live_arrays, "_READ_AT_ONCE", 1_000_000)
    with running_client(urls, **PATIENT) as client, recorded_statements() as in_one_step:
        assert [get(client, user, limit=50, explain="true") for user in asked] == answers
        assert post_batch(client, asked, limit=50) == batch
    searches = Counter(run.name for run in in_one_step)[_READ]
    assert searches < Counter(run.name for run in in_two_steps)[_READ] <= 2 * searches


def slowed(folder: Path, query: str, seconds: float, only: str = "true") -> None:
    """Let a query of engagement_db wait before it reads, on a condition."""
    header, _, body = (SQL_ROOT / ENGAGEMENT / f"{query}.sql").read_text().partition("\n")
    waited = f"(SELECT CASE WHEN {only} THEN pg_sleep({seconds})::text ELSE '' END AS done)"
    statement = body.rstrip().removesuffix(";")
    path = folder / ENGAGEMENT / f"{query}.sql"
    path.parent.mkdir(exist_ok=True)
    path.write_text(
        f"{header}\nSELECT read.* FROM {waited} AS waited CROSS JOIN LATERAL (\n{statement}\n) AS read "
        "WHERE waited.done IS NOT NULL;\n"
    )


def test_a_request_that_comes_late_to_the_search_leaves_it_exact_for_others(
    shared_databases: Urls, reference: Reference, tmp_path: Path
) -> None:
    late, *others = [user for user in reference.users if reference.positive.get(user)]
    slowed(tmp_path, "fetch_histories", 1.55, f"'{late}' = any(:user_ids::text[])")
    slowed(tmp_path, "fetch_users_of_media", 0.05)
    budget = {
        "TIME_BUDGET_MS": "2000",
        "STATEMENT_TIMEOUT_MS": "5000",
        "HISTORY_ITEMS": "1",
        "SHORTLIST": "1",
    }
    with running_client(shared_databases, SQL_PATH=str(tmp_path), **budget) as client:
        before = [get(client, user, limit=50) for user in others[:5]]
        assert get(client, late)["degraded"] == [ENGAGEMENT]
        assert [get(client, user, limit=50) for user in others[:5]] == before
    with running_client(shared_databases, EXACT_UP_TO_PAIRS="0", **budget) as client:
        assert [get(client, user, limit=50) for user in others[:5]] != before, "caps change the answers"
