"""`python -m benchmarks.accuracy FOLDER`: accuracy and reads of live SQL by its caps."""

import csv
import os
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import click
import numpy as np
import psycopg

from benchmarks.dataset import BENCH_SQL, no_progress
from config.database_settings import url_variables
from config.settings import Settings, load_settings
from recommender.container import build_container
from recommender.databases.loading import create_databases
from recommender.databases.queries import parse_query_file
from recommender.demo.embedded import database_urls, embedded_server, server_url
from recommender.demo.movielens import MovieLensFolder, interaction_of, item_id, user_id
from recommender.entities import DatabaseName, Page
from recommender.evaluation.metrics import accuracy

TOP_K = 10
_HELD_OUT = 0.2
_LIKED_STARS = 4

# The default caps, then one change at a time, then no caps.
CAPS: tuple[dict[str, int], ...] = (
    {},
    {"HISTORY_ITEMS": 50},
    {"HISTORY_ITEMS": 15},
    {"USERS_PER_ITEM": 50},
    {"SHORTLIST": 150},
    {"SHORTLIST": 75},
    {"ITEMS_PER_USER": 100},
    {"ITEMS_PER_USER": 400},
    {"EXACT_UP_TO_PAIRS": 100_000_000},
)


@dataclass(frozen=True)
class Split:
    """A folder with the first 80 % of each user's ratings, and what is known of both parts.

    `popular`: items by popularity in the first part, the most popular first. `seen`: each user's items in the
    first part. `liked_later`: items with a like in the second part, of users who have any.
    """

    folder: Path
    popular: Sequence[str]
    seen: Mapping[str, set[str]]
    liked_later: Mapping[str, set[str]]


def split_ratings(source: Path, target: Path) -> Split:
    """Hold out the last 20 % of each user's ratings of a MovieLens folder; `target` gets the rest."""
    (target / "movies.csv").write_bytes((source / "movies.csv").read_bytes())
    by_user: dict[str, list[list[str]]] = defaultdict(list)
    with (source / "ratings.csv").open() as file:
        header, *rows = csv.reader(file)
    for row in sorted(rows, key=lambda row: (int(row[3]), int(row[1]))):
        by_user[row[0]].append(row)
    seen, liked_later = {}, {}
    positive_users: Counter[str] = Counter()
    with (target / "ratings.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        for user, ratings in by_user.items():
            cut = len(ratings) - round(len(ratings) * _HELD_OUT)
            writer.writerows(ratings[:cut])
            seen[user_id(user)] = {item_id(row[1]) for row in ratings[:cut]}
            liked = {item_id(row[1]) for row in ratings[cut:] if float(row[2]) >= _LIKED_STARS}
            if liked:
                liked_later[user_id(user)] = liked
            positive_users.update(
                item_id(row[1]) for row in ratings[:cut] if interaction_of(float(row[2]))[0] != "DISLIKE"
            )
    popular = sorted(positive_users, key=lambda item: (-positive_users[item], item))
    return Split(target, popular, seen, liked_later)


def ndcg(ranked: Sequence[str], liked: set[str]) -> float:
    """Return NDCG@10 of a list against a set; the ideal includes liked items that are not listed."""
    hits = np.array([[item in liked for item in ranked]], dtype=bool)
    return float(accuracy(hits, np.array([len(liked)]), TOP_K)["ndcg"][0])


def popularity_ndcg(split: Split) -> float:
    """Return the mean NDCG@10 of the most popular unseen items."""
    scores = []
    for user, liked in split.liked_later.items():
        unseen = (item for item in split.popular if item not in split.seen[user])
        scores.append(ndcg([item for item, _ in zip(unseen, range(TOP_K), strict=False)], liked))
    return float(np.mean(scores))


def service_ndcg(split: Split, settings: Settings) -> float:
    """Return the mean NDCG@10 of the service."""
    container = build_container(settings)
    container.open()
    try:
        results = container.service.recommend(split.liked_later, Page(limit=TOP_K))
        return float(
            np.mean(
                [
                    ndcg([item.details.id for item in result.items], split.liked_later[result.user_id])
                    for result in results
                ]
            )
        )
    finally:
        container.close()


@contextmanager
def loaded(split: Split) -> Iterator[Mapping[DatabaseName, str]]:
    """Yield the URLs of three databases of their own that hold the first part of the ratings."""
    with (
        tempfile.TemporaryDirectory(prefix="marquee-", ignore_cleanup_errors=True) as folder,
        embedded_server(Path(folder) / "postgres") as server,
    ):
        create_databases(server_url(server, "postgres"))
        now = datetime.now(UTC).replace(tzinfo=None)
        MovieLensFolder(split.folder).load(database_urls(server), no_progress, now=now)
        yield database_urls(server)


def _entries_read(urls: Mapping[DatabaseName, str]) -> int:
    # A connection reports its reads when it is closed, which takes the server a moment.
    time.sleep(2)
    query = parse_query_file(BENCH_SQL / "count_entries_read.sql")
    with psycopg.connect(urls[DatabaseName.ENGAGEMENT]) as connection:
        ((entries,),) = connection.execute(query.statement).fetchall()
    return int(entries)


@click.command()
@click.argument("source", type=click.Path(exists=True, file_okay=False, path_type=Path))
def main(source: Path) -> None:
    """Print NDCG@10 on a MovieLens folder, and the index entries read per user, for several caps."""
    with tempfile.TemporaryDirectory() as target:
        split = split_ratings(source, Path(target))
        users = len(split.liked_later)
        with loaded(split) as urls:
            click.echo(f"{users} users; popularity: NDCG@10 {popularity_ndcg(split):.4f}\n")
            click.echo("| caps | NDCG@10 | index entries read per user |\n|---|---|---|")
            for caps in CAPS:
                variables = {"EXACT_UP_TO_PAIRS": 0, **caps}
                settings = _settings(urls, variables)
                before = _entries_read(urls)
                score = service_ndcg(split, settings)
                entries = (_entries_read(urls) - before) // users
                named = ", ".join(f"{name}={value:,}" for name, value in caps.items()) or "the default caps"
                click.echo(f"| {named} | {score:.4f} | {entries:,} |")


def _settings(urls: Mapping[DatabaseName, str], variables: Mapping[str, int]) -> Settings:
    return load_settings(
        {
            "INTERACTION_WINDOW_DAYS": "0",
            "STATEMENT_TIMEOUT_MS": "600000",
            "MODEL_PATH": os.devnull,
            **url_variables(urls),
            **{name: str(value) for name, value in variables.items()},
        },
        dotenv_path=None,
    )


if __name__ == "__main__":
    main()
