"""Streams NDJSON: one line for each user, sent while the next users are worked on."""

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Self

import orjson
from flask import Response

from recommender.api.concurrency import ConcurrencyLimiter, OverloadedError, StreamEnd
from recommender.api.errors import BreakOff, broken_off
from recommender.entities import UserRecommendations
from recommender.observability.telemetry import JSON_STAGE, count, current_trace, stage
from recommender.results.serializers import line_of

logger = logging.getLogger(__name__)

NDJSON = "application/x-ndjson"


def ndjson_response(
    chunks: Iterator[Sequence[UserRecommendations]],
    limiter: ConcurrencyLimiter,
    stream_end: StreamEnd,
    close: Callable[[], None],
) -> Response:
    """Return a stream of one line for each user; call `close` when it was sent or has failed.

    Errors after the first line become the last line.

    Raises:
        OverloadedError: no permit became free in time for the first users.
        NothingToRecommendFromError: the first chunk raised it.
    """
    lines = _Lines(chunks, limiter, stream_end, close)
    lines.compute_next()
    return Response(lines, mimetype=NDJSON)


class _Lines:
    """The lines. A permit is held while users are worked on, not while lines are sent."""

    def __init__(
        self,
        chunks: Iterator[Sequence[UserRecommendations]],
        limiter: ConcurrencyLimiter,
        stream_end: StreamEnd,
        close: Callable[[], None],
    ) -> None:
        self._chunks = chunks
        self._limiter = limiter
        self._end = stream_end
        self._close = close
        self._ends_at = time.monotonic() + self._end.longest_s
        self._results: deque[UserRecommendations] = deque()
        self._is_over = False

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        if self._is_over:
            self.close()
            raise StopIteration
        try:
            return self._next_line()
        except StopIteration:
            raise
        except Exception:
            # The status was sent before, so the last line tells that the list is incomplete.
            logger.exception("a streamed batch broke off")
            return self._last_line(BreakOff.FAULT)

    def close(self) -> None:
        """Stop the work."""
        self._is_over = True
        self._results.clear()
        self._close()

    def __del__(self) -> None:
        # Not every WSGI server calls close.
        self._close()

    def compute_next(self, patience_s: float | None = None) -> None:
        """Compute the results of the next users.

        Raises:
            OverloadedError: no permit became free within `patience_s`, or before the process stops.
        """
        with self._limiter.permit(patience_s, lambda: self._end.is_stopping_now):
            self._results.extend(next(self._chunks, ()))

    def _next_line(self) -> bytes:
        reason = self._reason_to_end()
        if reason is not None:
            return self._last_line(reason)
        if not self._results:
            try:
                self.compute_next(max(0.0, self._ends_at - time.monotonic()))
            except OverloadedError:
                return self._last_line(self._reason_to_end() or BreakOff.TOO_LONG)
        if not self._results:
            self.close()
            raise StopIteration
        result = self._results.popleft()
        count(result, first_page=True)
        with stage(JSON_STAGE):
            return line_of(result)

    def _reason_to_end(self) -> BreakOff | None:
        if self._end.is_stopping_now:
            return BreakOff.STOPPING
        return BreakOff.TOO_LONG if time.monotonic() >= self._ends_at else None

    def _last_line(self, reason: BreakOff) -> bytes:
        self._is_over = True
        trace = current_trace()
        if trace is not None:
            trace.broken_off = reason.label
        return orjson.dumps(broken_off(reason), option=orjson.OPT_APPEND_NEWLINE)
