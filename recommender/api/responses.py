"""Makes responses in JSON, and redirects."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Self

import orjson
from flask import Response, redirect, request
from werkzeug.wrappers import Response as BaseResponse

from recommender.observability.telemetry import JSON_STAGE, stage


def json_response(payload: Mapping[str, object], status: int = 200) -> Response:
    """Return a JSON response."""
    with stage(JSON_STAGE):
        data = orjson.dumps(payload)
    return Response(data, status=status, mimetype="application/json")


def moved_to(location: str) -> BaseResponse:
    """Return a permanent redirect to another path, with the query of the request."""
    return redirect(with_query(location), HTTPStatus.PERMANENT_REDIRECT)


def with_query(path: str) -> str:
    """Return a path with the query of the request."""
    query = request.query_string.decode(errors="replace")
    return f"{path}?{query}" if query else path


def call_when_sent(response: Response, on_sent: Callable[[], None]) -> Response:
    """Return the response; call `on_sent`, at least once, when it was sent or given up."""
    response.response = _Data(response.get_data(), on_sent)
    return response


class _Data:
    """The bytes of a response, in one piece. When the server asks for more, all of it was sent."""

    def __init__(self, data: bytes, on_sent: Callable[[], None]) -> None:
        self._data: bytes | None = data
        self._on_sent = on_sent

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        data, self._data = self._data, None
        if data is None:
            self._on_sent()
            raise StopIteration
        return data

    def close(self) -> None:
        """End the response, sent or not."""
        self._on_sent()

    def __del__(self) -> None:
        # Not every WSGI server calls close.
        self._on_sent()
