"""The floor of latency: Flask under Gunicorn with ten constant items."""

import orjson
from flask import Flask, Response

from benchmarks.peers.hosting import make_hostable

_ITEM = {
    "id": "00000000-0000-4000-8000-000000000000",
    "title": "Title 1234",
    "description": "A description of the length that descriptions have, which is to say two sentences. " * 2,
    "release_year": 2001,
    "media_type": "MOVIE",
    "cover_url": "https://covers.example.com/00000000-0000-4000-8000-000000000000.jpg",
    "genres": ["CRIME", "DRAMA", "THRILLER"],
    "recommendation_score": 0.8745,
    "content_score": 0.6667,
    "collaborative_score": 0.95,
}

app = Flask(__name__)
make_hostable(app)


@app.get("/api/recommendations/<user_id>")
def get_recommendations(user_id: str) -> Response:
    """Return the same ten items for all users."""
    answer = {"user_id": user_id, "recommendations": [_ITEM] * 10, "count": 10}
    return Response(orjson.dumps(answer), mimetype="application/json")
