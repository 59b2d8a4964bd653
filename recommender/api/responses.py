"""Answers as JSON."""

from collections.abc import Callable, Mapping
from typing import Self

import orjson
from flask import Response

from recommender.telemetry import JSON, stage


def json_response(payload: Mapping[str, object], status: int = 200) -> Response:
    """A JSON answer."""
    with stage(JSON):
        data = orjson.dumps(payload)
    return Response(data, status=status, mimetype="application/json")


def told_when_sent(response: Response, on_sent: Callable[[], None]) -> Response:
    """The response; `on_sent` is called when its data have been sent, or will not be."""
    response.response = _Data(response.get_data(), on_sent)
    return response


class _Data:
    """An answer's bytes, in one piece. After it is asked for more, all of it has been sent."""

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
        """Give up what has not been sent."""
        self._on_sent()

    def __del__(self) -> None:
        # Not every caller of the app closes what it is given.
        self._on_sent()
