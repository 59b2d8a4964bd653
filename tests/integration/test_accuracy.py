"""On real ratings the service ranks what users liked later far better than popularity does."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from benchmarks.accuracy import Split, popularity_ndcg, service_ndcg, split_ratings
from recommender.demo.embedded import PostgresServer
from recommender.demo.movielens import MovieLensFolder
from tests.support.clients import PATIENT, no_progress, settings_for
from tests.support.postgres import Templates, Urls


@pytest.fixture(scope="module")
def split(data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Split:
    """Hold out ratings of all users, and compare the rankings of every second."""
    split = split_ratings(data_folder / "ml-latest-small", tmp_path_factory.mktemp("movielens"))
    users = sorted(split.liked_later)[::2]
    return replace(split, liked_later={user: split.liked_later[user] for user in users})


@pytest.fixture(scope="module")
def urls(server: PostgresServer, split: Split) -> Iterator[Urls]:
    with Templates(server, "accuracy").create() as urls:
        MovieLensFolder(split.folder).load(urls, no_progress, now=datetime.now(UTC).replace(tzinfo=None))
        yield urls


def test_the_service_is_far_better_than_popularity(
    split: Split, urls: Urls, capsys: pytest.CaptureFixture[str]
) -> None:
    popularity = popularity_ndcg(split)
    window = {"INTERACTION_WINDOW_DAYS": "0", "STATEMENT_TIMEOUT_MS": "60000"}
    exact = service_ndcg(split, settings_for(urls, **window, **PATIENT, EXACT_UP_TO_PAIRS="1000000"))
    capped = service_ndcg(split, settings_for(urls, **window, **PATIENT, EXACT_UP_TO_PAIRS="0"))
    with capsys.disabled():
        print(
            f"\nNDCG@10 on ml-latest-small, {len(split.liked_later)} users: popularity {popularity:.4f}, "
            f"the service exact {exact:.4f}, with caps {capped:.4f}"
        )
    assert exact >= 1.4 * popularity
    assert capped >= 1.4 * popularity
    assert capped >= 0.9 * exact
