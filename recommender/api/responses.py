"""Answers as JSON."""

import itertools
import logging
from collections.abc import Iterator, Mapping

import orjson
from flask import Response

from recommender.answers import line_of
from recommender.domain import UserRecommendations
from recommender.telemetry import JSON, stage

logger = logging.getLogger(__name__)


def json_response(payload: Mapping[str, object], status: int = 200) -> Response:
    """A JSON answer."""
    with stage(JSON):
        data = orjson.dumps(payload)
    return Response(data, status=status, mimetype="application/json")


def ndjson_response(results: Iterator[UserRecommendations], apology: Mapping[str, object]) -> Response:
    """A line of JSON a user, sent while the next users are worked on.

    Whatever goes wrong before the first line is raised; after it, the last line is `apology`.
    """
    first = next(results)

    def lines() -> Iterator[bytes]:
        try:
            for result in itertools.chain([first], results):
                with stage(JSON):
                    line = line_of(result)
                yield line
        except Exception:
            # The status has been sent long ago; that the list is not complete must not go unnoticed.
            logger.exception("a streamed batch broke off")
            yield orjson.dumps(apology, option=orjson.OPT_APPEND_NEWLINE)

    return Response(lines(), mimetype="application/x-ndjson")
