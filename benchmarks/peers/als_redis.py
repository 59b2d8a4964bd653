"""A peer as a music app might build it: factors in memory, details by one statement, answers in Redis.

Redis keeps an answer for an hour. With PEER_KEEP_MS=1 it expires before its next request, which measures a
cold cache.
"""

import os
from pathlib import Path

import numpy as np
import orjson
from flask import Flask, Response, request
from redis import Redis

from benchmarks.peers.als_variables import FACTORS, KEEP_MS, REDIS_URL
from benchmarks.peers.hosting import catalog_pool, make_hostable
from benchmarks.peers.queries import statement

_STATEMENT = statement("peer_details")
_NAMES = ("id", "title", "description", "release_year", "media_type", "cover_url", "genres")
_AN_HOUR_MS = 3_600_000


class _Factors:
    """Factors of users and items, and users' positive items; loaded in each worker."""

    def __init__(self, folder: Path) -> None:
        self._users = np.load(folder / "user_factors.npy")
        self._items = np.load(folder / "item_factors.npy")
        self._start = np.load(folder / "user_start.npy")
        self._seen = np.load(folder / "item_idx.npy")
        self._user_idx = {
            user_id: n for n, user_id in enumerate(np.load(folder / "user_ids.npy").astype(str).tolist())
        }
        self._item_ids: list[str] = np.load(folder / "item_ids.npy").astype(str).tolist()

    def recommend(self, user_id: str, limit: int) -> list[tuple[str, float]]:
        """Return the items with the largest products, without the user's positive items."""
        user_idx = self._user_idx.get(user_id)
        if user_idx is None:
            return []
        scores = self._items @ self._users[user_idx]
        scores[self._seen[self._start[user_idx] : self._start[user_idx + 1]]] = -np.inf
        top = np.argpartition(scores, -limit)[-limit:]
        top = top[np.argsort(-scores[top])]
        return [(self._item_ids[item_idx], float(scores[item_idx])) for item_idx in top.tolist()]


class _Parts:
    """A worker's connections and factors."""

    factors: _Factors
    redis: Redis

    def __init__(self) -> None:
        self.pool = catalog_pool()

    def open(self) -> None:
        self.pool.open()
        self.factors = _Factors(Path(os.environ[FACTORS]))
        self.redis = Redis.from_url(os.environ[REDIS_URL])


_parts = _Parts()
_keep_ms = int(os.environ.get(KEEP_MS, _AN_HOUR_MS))
app = Flask(__name__)
make_hostable(app, _parts.open)


@app.get("/api/recommendations/<user_id>")
def get_recommendations(user_id: str) -> Response:
    """Answer for one user, from Redis if the answer is there."""
    limit = int(request.args.get("limit", 10))
    key = f"{user_id}:{limit}"
    held = _parts.redis.get(key)
    if isinstance(held, bytes):
        return Response(held, mimetype="application/json")
    body = _answer(user_id, limit)
    _parts.redis.set(key, body, px=_keep_ms)
    return Response(body, mimetype="application/json")


def _answer(user_id: str, limit: int) -> bytes:
    ranked = _parts.factors.recommend(user_id, limit)
    with _parts.pool.connection() as connection:
        rows = connection.execute(_STATEMENT, {"media_ids": [item_id for item_id, _ in ranked]}).fetchall()
    details = {row[0]: dict(zip(_NAMES, row, strict=True)) for row in rows}
    items = [{**details[item_id], "score": score} for item_id, score in ranked if item_id in details]
    return orjson.dumps({"user_id": user_id, "recommendations": items, "count": len(items)})
