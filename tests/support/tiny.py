"""Three databases with a handful of rows."""

import weakref
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from recommender.databases.loading import WritableDatabase
from recommender.entities import DatabaseName
from tests.support.clients import NO_CAPS, PATIENT, get, running_client
from tests.support.postgres import Urls

USER, CATALOG, ENGAGEMENT = DatabaseName


def key(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012}"


ASKER = key(1)
# Other users are 10, 11, …. They share items 100, 101, … with the asker; items 200, 201, … are only theirs.


class Tiny:
    """Three databases with a handful of rows, whose ages are given in hours."""

    def __init__(self, urls: Urls) -> None:
        self.urls = urls
        self._row = 0
        # One for all rows: connecting takes longer than a row. Unprepared, as tests change types of columns.
        self._engagement = psycopg.connect(urls[ENGAGEMENT], autocommit=True, prepare_threshold=None)
        weakref.finalize(self, self._engagement.close)
        for name, url in urls.items():
            with WritableDatabase(name, url) as database:
                database.create_tables()
                database.create_indexes()
        with psycopg.connect(urls[CATALOG]) as connection:
            connection.cursor().executemany(
                "INSERT INTO medias (id, title) VALUES (%s, %s)",
                [(key(number), f"Title {number}") for number in (*range(100, 110), *range(200, 210))],
            )

    def execute(self, name: DatabaseName, statement: str, *values: str) -> None:
        with psycopg.connect(self.urls[name]) as connection:
            connection.execute(statement.encode(), values or None)

    def add(
        self,
        user: int | None,
        item: int | None,
        hours_ago: float,
        value: Any = 1.0,
        kind: str = "WATCH",
    ) -> None:
        self._row += 1
        at = datetime.now(UTC).replace(tzinfo=None) - timedelta(hours=hours_ago)
        ids = [None if number is None else key(number) for number in (user, item)]
        self._engagement.execute(
            "INSERT INTO interaction VALUES (%s, %s, %s, %s, %s, %s)", (self._row, *ids, kind, value, at)
        )

    def answer(self, user: str = ASKER, **variables: str) -> dict[str, Any]:
        """Return the asker's recommendations, explained; without caps by default."""
        settings = {"EXACT_UP_TO_PAIRS": "0", **NO_CAPS, **PATIENT, **variables}
        with running_client(self.urls, **settings) as client:
            answer = get(client, user, limit=100, explain="true")
        assert answer["degraded"] == []
        return answer

    def collaborative(self, user: str = ASKER, **variables: str) -> dict[str, float]:
        """Return the collaborative scores of the asker's recommendations, by item."""
        items = self.answer(user, **variables)["recommendations"]
        scores = {item["id"]: item["collaborative_score"] for item in items}
        return {item: score for item, score in scores.items() if score > 0}
