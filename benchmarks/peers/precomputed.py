"""A table of lists filled by a nightly job: one statement per request, up to a day stale."""

import orjson
from flask import Flask, Response, request

from benchmarks.peers.hosting import catalog_pool, make_hostable
from benchmarks.peers.queries import statement

_STATEMENT = statement("peer_precomputed")
_NAMES = ("id", "title", "description", "release_year", "media_type", "cover_url", "score", "genres")

_pool = catalog_pool()
app = Flask(__name__)
make_hostable(app, _pool.open)


@app.get("/api/recommendations/<user_id>")
def get_recommendations(user_id: str) -> Response:
    """Answer for one user."""
    limit = int(request.args.get("limit", 10))
    with _pool.connection() as connection:
        rows = connection.execute(_STATEMENT, {"user_id": user_id, "row_limit": limit}).fetchall()
    items = [dict(zip(_NAMES, row, strict=True)) for row in rows]
    answer = {"user_id": user_id, "recommendations": items, "count": len(items)}
    return Response(orjson.dumps(answer), mimetype="application/json")
