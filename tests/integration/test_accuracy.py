"""On real ratings the service finds what people went on to like, far better than popularity does."""

import csv
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import ndcg_score

from recommender.demo.embedded import PostgresServer
from recommender.demo.movielens import MovieLensFolder, interaction_of, media_id, user_id
from tests.support.clients import ids, no_progress, post_batch, running_client
from tests.support.postgres import Templates, Urls

_TOP_K = 10
_HELD_OUT = 0.2


@dataclass(frozen=True)
class Split:
    """The databases, holding the first 80 % of each user's ratings, and what came after."""

    urls: Urls
    popular: Sequence[str]
    seen: Mapping[str, set[str]]
    liked_later: Mapping[str, set[str]]


@pytest.fixture(scope="module")
def split(
    server: PostgresServer, data_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Split]:
    source = data_folder / "ml-latest-small"
    training = tmp_path_factory.mktemp("movielens")
    (training / "movies.csv").write_bytes((source / "movies.csv").read_bytes())
    by_user: dict[str, list[list[str]]] = defaultdict(list)
    with (source / "ratings.csv").open() as file:
        header, *rows = csv.reader(file)
    for row in sorted(rows, key=lambda row: (int(row[3]), int(row[1]))):
        by_user[row[0]].append(row)
    seen, liked_later = {}, {}
    positive_users: Counter[str] = Counter()
    with (training / "ratings.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        for user, ratings in by_user.items():
            cut = len(ratings) - round(len(ratings) * _HELD_OUT)
            writer.writerows(ratings[:cut])
            seen[user_id(user)] = {media_id(row[1]) for row in ratings[:cut]}
            liked_later[user_id(user)] = {media_id(row[1]) for row in ratings[cut:] if float(row[2]) >= 4}
            positive_users.update(
                media_id(row[1]) for row in ratings[:cut] if interaction_of(float(row[2]))[0] != "DISLIKE"
            )
    popular = sorted(positive_users, key=lambda media: (-positive_users[media], media))
    templates = Templates(server, "movielens")
    with templates.create() as urls:
        now = datetime.now(UTC).replace(tzinfo=None)
        MovieLensFolder(training).load(urls, no_progress, now=now)
        yield Split(urls, popular, seen, {user: liked for user, liked in liked_later.items() if liked})


def ndcg(ranked: Sequence[str], liked: set[str]) -> float:
    """NDCG@10 of a list against a set; what is liked but not listed counts for the ideal."""
    missed = [media for media in liked if media not in ranked]
    relevance = np.array([[media in liked for media in (*ranked, *missed)]], dtype=float)
    order = np.arange(relevance.size, 0, -1, dtype=float)[np.newaxis]
    return float(ndcg_score(relevance, order, k=_TOP_K)) if relevance.size > 1 else 0.0


def test_the_service_is_far_better_than_popularity(split: Split, capsys: pytest.CaptureFixture[str]) -> None:
    users = list(split.liked_later)
    popularity, service = [], []
    with running_client(split.urls, INTERACTION_WINDOW_DAYS="0", MAX_BATCH_USERS="1000") as client:
        results = post_batch(client, users, limit=_TOP_K)["results"]
    for user in users:
        unseen = (media for media in split.popular if media not in split.seen[user])
        popular = [media for media, _ in zip(unseen, range(_TOP_K), strict=False)]
        popularity.append(ndcg(popular, split.liked_later[user]))
        service.append(ndcg(ids(results[user]), split.liked_later[user]))
    with capsys.disabled():
        print(
            f"\nNDCG@10 on ml-latest-small, {len(users)} users: service {np.mean(service):.4f}, "
            f"popularity {np.mean(popularity):.4f}"
        )
    assert np.mean(service) >= 1.4 * np.mean(popularity)
