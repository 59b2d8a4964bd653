"""The service as often first written: a loop over users, psycopg2's pool, four queries per user."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask import Flask, Response, jsonify, request
from psycopg2.pool import ThreadedConnectionPool

from benchmarks.dataset import BENCH_SQL
from benchmarks.peers.hosting import make_hostable
from benchmarks.peers.queries import statement
from config.settings import load_settings
from recommender.entities import DatabaseName

_STATEMENTS = {path.stem: statement(path.stem) for path in BENCH_SQL.glob("naive_*.sql")}
_WINDOW_DAYS = 90


class _Databases:
    """A psycopg2 pool for each database, opened in the worker."""

    def __init__(self) -> None:
        self._pools: dict[DatabaseName, ThreadedConnectionPool] = {}

    def open(self) -> None:
        databases = load_settings().databases
        for name in DatabaseName:
            self._pools[name] = ThreadedConnectionPool(1, databases.pool_size, databases.url(name))

    @contextmanager
    def _connection(self, name: DatabaseName) -> Iterator[Any]:
        connection = self._pools[name].getconn()
        try:
            yield connection
            connection.commit()
        finally:
            self._pools[name].putconn(connection)

    def fetch(self, name: DatabaseName, query: str, **parameters: object) -> list[tuple[Any, ...]]:
        with self._connection(name) as connection, connection.cursor() as cursor:
            cursor.execute(_STATEMENTS[query], parameters)
            rows: list[tuple[Any, ...]] = cursor.fetchall()
            return rows


databases = _Databases()


def recommend(user_id: str, limit: int) -> list[dict[str, Any]]:
    """Return a user's best items, with details and scores."""
    genres = [row[0] for row in databases.fetch(DatabaseName.USER, "naive_genres", user_id=user_id)]
    content = {
        item_id: matches / len(genres)
        for item_id, matches in databases.fetch(DatabaseName.CATALOG, "naive_content", genres=genres)
    }
    rows = databases.fetch(
        DatabaseName.ENGAGEMENT, "naive_collaborative", user_id=user_id, window_days=_WINDOW_DAYS
    )
    best = max((score or 0 for _, score in rows), default=0) or 1
    collaborative = {item_id: (score or 0) / best for item_id, score in rows}
    scores = {
        item_id: 0.4 * content.get(item_id, 0.0) + 0.6 * collaborative.get(item_id, 0.0)
        for item_id in content.keys() | collaborative.keys()
    }
    page = sorted(scores, key=lambda item_id: (-scores[item_id], item_id))[:limit]
    details = {row[0]: row for row in databases.fetch(DatabaseName.CATALOG, "naive_details", media_ids=page)}
    keys = ("id", "title", "description", "release_year", "media_type", "cover_url", "genres")
    return [
        dict(zip(keys, details[item_id], strict=True)) | {"recommendation_score": round(scores[item_id], 4)}
        for item_id in page
        if item_id in details
    ]


app = Flask(__name__)
make_hostable(app, databases.open)


@app.get("/api/recommendations/<user_id>")
def get_recommendations(user_id: str) -> Response:
    """Answer for one user."""
    items = recommend(user_id, int(request.args.get("limit", 10)))
    return jsonify(user_id=user_id, recommendations=items, count=len(items))


@app.post("/api/recommendations/batch")
def post_batch() -> Response:
    """Answer for several users, one after the other."""
    body = request.get_json()
    return jsonify(results={user_id: recommend(user_id, body["limit"]) for user_id in body["user_ids"]})
