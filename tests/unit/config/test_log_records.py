"""Log records: complete JSON, and a bounded number of lines in an outage."""

import io
import json
import logging
import re
import sys
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from config.log_records import LONGEST_LINE, JsonFormatter, PlainFormatter
from config.logging import LogFormat, logging_config
from recommender.databases.connections import Purpose
from recommender.databases.outcomes import StatementOutcome
from recommender.entities import DatabaseName
from recommender.observability.log_filters import (
    LOG_FILTERS,
    RepetitionFilter,
    RequestIdFilter,
    RequestTextFilter,
)
from recommender.observability.telemetry import Trace, traced

USER, CATALOG, _ = DatabaseName
FAILED = "%s.%s failed (%s): %s"
SLOW = StatementOutcome.SLOW


def record(message: str, *args: object, level: int = logging.WARNING, **options: Any) -> logging.LogRecord:
    name = options.pop("name", "some.logger")
    return logging.LogRecord(name, level, __file__, 1, message, args, options.pop("exc_info", None))


def as_json(entry: logging.LogRecord) -> dict[str, Any]:
    line = JsonFormatter().format(entry)
    assert "\n" not in line
    fields: dict[str, Any] = json.loads(line)
    return fields


def test_a_json_line_has_time_level_logger_and_message() -> None:
    line = as_json(record("%d media\nin %s", 3, "time", level=logging.INFO))
    assert list(line) == ["time", "level", "logger", "process", "message"]
    assert (line["level"], line["logger"], line["message"]) == ("INFO", "some.logger", "3 media\nin time")
    at = datetime.fromisoformat(line["time"])
    assert at.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - at) < timedelta(minutes=1)


def test_an_exception_is_a_field_with_its_whole_trace() -> None:
    try:
        raise RuntimeError("the reason")
    except RuntimeError:
        line = as_json(record("it failed", exc_info=sys.exc_info()))
    assert line["exception"].startswith("Traceback (most recent call last):\n")
    assert line["exception"].endswith("RuntimeError: the reason")


@pytest.mark.parametrize("letter", ["x", "\n", "é", "\x00", "\udce9"])
def test_a_long_line_is_cut_in_the_middle_of_its_longest_text_so_that_a_pipe_takes_it_whole(
    letter: str,
) -> None:
    entry = record("it failed")
    entry.exc_text = "Traceback " + letter * 20_000 + " the reason"
    line = JsonFormatter().format(entry)
    assert 3_000 < len(line.encode()) <= LONGEST_LINE
    fields = json.loads(line)
    assert fields["message"] == "it failed"
    begin, end = re.split(r" … \d+ characters left out … ", fields["exception"])
    assert begin.startswith("Traceback ")
    assert end.endswith(" the reason")


def test_a_line_with_several_long_texts_is_short_enough() -> None:
    entry = record("GET %s 200", "/" + "x" * 8_000)
    entry.fields = {"path": "/" + "x" * 8_000, "status": 200, "sizes": [1]}
    line = JsonFormatter().format(entry)
    assert len(line.encode()) <= LONGEST_LINE
    assert json.loads(line)["status"] == 200


def test_fields_of_a_record_stand_beside_its_message() -> None:
    entry = record("done")
    entry.fields = {"status": 200, "degraded": [USER]}
    assert as_json(entry) | {"status": 200, "degraded": ["user_db"]} == as_json(entry)


def test_a_line_survives_text_that_is_not_unicode() -> None:
    """JSON has no lone surrogates, which stand for bytes of file names that are not UTF-8."""
    entry = record("%s is in the way", "caf\udce9")
    entry.fields = {"files": ["\udce9", 3], "sizes": {"\udce9": 1.5}}
    line = as_json(entry)
    assert line["message"] == r"caf\udce9 is in the way"
    assert (line["files"], line["sizes"]) == ([r"\udce9", 3], {r"\udce9": 1.5})
    assert datetime.fromisoformat(line["time"]).utcoffset() == timedelta(0)


def test_lines_of_a_request_have_its_id_and_others_have_none() -> None:
    inside, outside = record("inside"), record("outside")
    with traced(Trace("the-id")):
        RequestIdFilter().filter(inside)
    RequestIdFilter().filter(outside)
    assert as_json(inside)["request_id"] == "the-id"
    assert "request_id" not in as_json(outside)
    assert PlainFormatter("%(message)s").format(inside) == "inside [the-id]"
    assert PlainFormatter("%(message)s").format(outside) == "outside"


def test_a_warning_about_a_database_passes_once_in_five_seconds_and_the_next_counts_what_was_dropped() -> (
    None
):
    now = 1000.0
    outages = RepetitionFilter(clock=lambda: now)
    passed = [outages.filter(record(FAILED, USER, "query", SLOW, f"why {number}")) for number in range(10)]
    assert passed == [True] + [False] * 9
    now += 4.9
    assert not outages.filter(record(FAILED, USER, "query", SLOW, "why"))
    now += 0.2
    again = record(FAILED, USER, "query", SLOW, "why")
    assert outages.filter(again)
    assert as_json(again)["dropped"] == 10
    assert PlainFormatter("%(message)s").format(again).endswith("(10 similar warnings were dropped)")
    now += 5.1
    afresh = record(FAILED, USER, "query", SLOW, "why")
    assert outages.filter(afresh)
    assert "dropped" not in as_json(afresh)


def test_other_databases_other_words_and_other_loggers_are_not_held_back() -> None:
    outages = RepetitionFilter()
    assert all(
        outages.filter(each)
        for each in (
            record(FAILED, USER, "query", SLOW, "why"),
            record(FAILED, CATALOG, "query", SLOW, "why"),
            record(FAILED, USER, "another_query", SLOW, "why"),
            record(FAILED, USER, "query", StatementOutcome.NO_CONNECTION, "why"),
            record("%s: sessions for %s: %s", USER, Purpose.REQUESTS, "why"),
            record("%s: sessions for %s: %s", USER, Purpose.WHOLE_TABLES, "why"),
            record("%s: not cancelled: %s", "user_db", "why"),
            record("%s is down", USER),
            record(FAILED, USER, "query", SLOW, "why", name="another.logger"),
            record("error connecting in %r: %s", "user_db", "why", name="psycopg.pool"),
        )
    )
    assert not outages.filter(record("error connecting in %r: %s", "user_db", "why", name="psycopg.pool"))
    assert not outages.filter(record("%s: not cancelled: %s", "user_db", "another reason"))


def test_a_failing_model_passes_once_in_five_seconds_for_each_version_and_kind_of_error() -> None:
    outages = RepetitionFilter()

    def passes(*subject: str) -> bool:
        entry = record("model %s %s failed", "ease", "1", level=logging.ERROR)
        entry.subject = subject
        return outages.filter(entry)

    assert passes("ease", "1", "MemoryError")
    assert not passes("ease", "1", "MemoryError")
    assert passes("ease", "1", "IndexError")
    assert passes("ease", "2", "MemoryError")


def test_lines_about_no_database_and_lines_that_are_no_warnings_always_pass() -> None:
    outages = RepetitionFilter()
    for _ in range(3):
        assert outages.filter(record("a request failed"))
        assert outages.filter(record("%s is back", USER, level=logging.INFO))


@pytest.mark.parametrize(
    ("log_format", "at_a_terminal", "elsewhere"),
    [("auto", "plain", "json"), ("plain", "plain", "plain"), ("json", "json", "json")],
)
def test_the_format_is_the_configured_one_or_suits_the_output(
    log_format: LogFormat, at_a_terminal: str, elsewhere: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for terminal, expected in ((True, at_a_terminal), (False, elsewhere)):
        stream = io.StringIO()
        monkeypatch.setattr(stream, "isatty", partial(bool, terminal))
        monkeypatch.setattr(sys, "stderr", stream)
        assert logging_config("INFO", log_format, LOG_FILTERS)["handlers"]["stderr"]["formatter"] == expected


@pytest.mark.parametrize(
    ("message", "arguments", "shown"),
    [
        (
            "Invalid request from ip=::1: Invalid HTTP request line: 'GET /?secret'",
            (),
            "Invalid request from ip=::1: Invalid HTTP request line",
        ),
        (
            "Invalid request from ip=: Request Line is too large (9000 > 8190)",
            (),
            "Invalid request from ip=: Request Line is too large (9000 > 8190)",
        ),
        (
            "Ignored premature client disconnection. %s",
            ("No more data after: b'GET /?secret'",),
            "Ignored premature client disconnection. No more data after",
        ),
        ("Error handling request %s %s", ("GET", "/a?secret"), "Error handling request GET /a"),
        ("Listening at: %s", ("http://a?b",), "Listening at: http://a?b"),
    ],
)
def test_lines_of_gunicorn_do_not_quote_requests(
    message: str, arguments: tuple[str, ...], shown: str
) -> None:
    record = logging.LogRecord("gunicorn.error", logging.WARNING, "", 0, message, arguments, None)
    assert RequestTextFilter().filter(record)
    assert record.getMessage() == shown
