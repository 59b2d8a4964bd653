"""WSGI middleware: gives each request an id, a log line, and a count in the metrics."""

import logging
import re
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from recommender.api.errors import BreakOff
from recommender.api.id_paths import shown_rule
from recommender.api.metrics import Metrics
from recommender.databases.recording import StatementRun, recorded_statements, stage_seconds
from recommender.observability.telemetry import JSON_STAGE, SERVICE_STAGE, Tally, Trace, traced

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

logger = logging.getLogger("marquee.access")

_SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_NO_ENDPOINT = "none"
_PATH_CHARACTERS = 200
# What the kernel buffers of an answer (config/guarded_worker.py). No thread waits until that is sent.
_SENT_AT_ONCE_BYTES = 256 * 1024


class AccessLog:
    """Wraps the app at the WSGI level: a stream goes on long after Flask has ended the request."""

    def __init__(self, app: "WSGIApplication", metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer a request under its id; log and count it even if it fails."""
        exchange = _Exchange(environ, self._metrics)

        def start(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
            exchange.status = int(status[:3])
            exchange.endpoint = _endpoint(environ)
            exchange.ends_when_sent = _takes_time_to_send(headers)
            return start_response(status, [*headers, ("X-Request-ID", exchange.trace.request_id)], *error)

        with traced(exchange.trace), recorded_statements(exchange.runs):
            try:
                body = self._app(environ, start)
            except BaseException:
                exchange.finish()
                raise
            if exchange.ends_when_sent:
                return _SentBody(body, exchange)
            exchange.finish()
            return body


class _SentBody:
    """A response body that takes time to send, and may be made meanwhile; closing it ends the request."""

    def __init__(self, body: Iterable[bytes], exchange: "_Exchange") -> None:
        self._body = body
        self._chunks = iter(body)
        self._exchange = exchange

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        with traced(self._exchange.trace), recorded_statements(self._exchange.runs):
            return next(self._chunks)

    def close(self) -> None:
        with traced(self._exchange.trace), recorded_statements(self._exchange.runs):
            try:
                close = getattr(self._body, "close", None)
                if close is not None:
                    close()
            finally:
                self._exchange.finish()


class _Exchange:
    """A request and the answer to it, to be measured and logged."""

    def __init__(self, environ: "WSGIEnvironment", metrics: Metrics) -> None:
        self._started = time.perf_counter()
        self._environ = environ
        self._metrics = metrics
        self.runs: list[StatementRun] = []
        self._finished = False
        self.status: int = HTTPStatus.INTERNAL_SERVER_ERROR
        self.endpoint = _NO_ENDPOINT
        self.ends_when_sent = False
        self.trace = Trace(_request_id(environ.get("HTTP_X_REQUEST_ID", "")))
        metrics.request_begins()

    def finish(self) -> None:
        """Count and log the request. Further calls do nothing."""
        if self._finished:
            return
        self._finished = True
        try:
            self._report()
        except Exception:
            # For example, the disk is full. The answer is sent nevertheless.
            logger.exception("a request could not be counted in the metrics")

    def _report(self) -> None:
        seconds = time.perf_counter() - self._started
        self._metrics.request_ends(self.endpoint, self.status, seconds, _stages(self.trace, self.runs))
        if self._is_answered:
            self._metrics.answered(self.trace.tally)
        if self.trace.broken_off is not None:
            self._metrics.stream_broken_off(self.trace.broken_off)
        is_fault = self.trace.broken_off == BreakOff.FAULT.label
        is_good = self.status < HTTPStatus.INTERNAL_SERVER_ERROR and not is_fault
        level = logging.INFO if is_good else logging.WARNING
        if logger.isEnabledFor(level):
            self._log(level, seconds)

    @property
    def _is_answered(self) -> bool:
        """Whether users got what was counted: an error replaces a batch that has failed on the way."""
        return self.status < HTTPStatus.BAD_REQUEST

    def _log(self, level: int, seconds: float) -> None:
        method = self._environ["REQUEST_METHOD"]
        path = quote(self._environ["PATH_INFO"].encode("latin-1"))[:_PATH_CHARACTERS]
        duration_ms = round(seconds * 1000, 2)
        fields = {
            "method": method,
            "endpoint": self.endpoint,
            "path": path,
            "status": self.status,
            "duration_ms": duration_ms,
            **(_answers(self.trace.tally) if self._is_answered else {}),
            **({} if self.trace.broken_off is None else {"broken_off": self.trace.broken_off}),
            "statements": len(self.runs),
            "statements_ms": round(sum(run.seconds for run in self.runs) * 1000, 2),
        }
        logger.log(
            level, "%s %s %d in %s ms", method, path, self.status, duration_ms, extra={"fields": fields}
        )


def _takes_time_to_send(headers: Sequence[tuple[str, str]]) -> bool:
    """Return whether an answer is a stream, or longer than the kernel takes at once."""
    for name, value in headers:
        if name == "Content-Length":
            return int(value) > _SENT_AT_ONCE_BYTES
    return True


def _endpoint(environ: "WSGIEnvironment") -> str:
    """Return the URL rule of the request. Flask keeps it in the environment until the request ends."""
    request = environ.get("werkzeug.request")
    rule = None if request is None else request.url_rule
    return _NO_ENDPOINT if rule is None else shown_rule(rule.rule)


def _request_id(given: str) -> str:
    """Return the caller's request id if its form is allowed, else a new one."""
    return given if _SANE_ID.fullmatch(given) else uuid.uuid4().hex


def _stages(trace: Trace, runs: Sequence[StatementRun]) -> dict[str, float]:
    """Return seconds by database, and those the service took besides."""
    stages = stage_seconds(runs, trace.stages.get(SERVICE_STAGE))
    if SERVICE_STAGE in trace.stages:
        stages[JSON_STAGE] = trace.stages.get(JSON_STAGE, 0.0)
    return stages


def _answers(tally: Tally) -> dict[str, Any]:
    """Return the log fields about the answers to users; none if there were no answers."""
    if not tally.strategies:
        return {}
    return {
        "users": sum(tally.strategies.values()),
        "strategies": dict(tally.strategies),
        "degraded": sorted(tally.degraded),
        "model": tally.model,
        "model_version": tally.model_version,
    }
