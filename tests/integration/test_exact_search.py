"""An exact search reads only the users who may be among the most similar, and answers as if it read all."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from recommender.databases.recording import recorded_statements
from recommender.demo.generate import generate
from recommender.demo.load import load_demo
from recommender.models.user_knn import live_arrays
from tests.support.clients import PATIENT, get, no_progress, post_batch, running_client
from tests.support.made_up import SMALL
from tests.support.postgres import Urls
from tests.support.reference import Reference

_SIZE = replace(SMALL, users=1_200, interactions=24_000)
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
