"""Formatters of log records: plain text or JSON, one line each."""

import logging
from datetime import UTC, datetime
from typing import Any

import orjson
from pythonjsonlogger.orjson import OrjsonFormatter

# Bytes of a line of JSON. A pipe takes 4,096 as a whole (PIPE_BUF of Linux); of more, it may take a part, and
# another process then writes into the line. The line that counts dropped ones may precede it.
LONGEST_LINE = 4_096 - 256


class PlainFormatter(logging.Formatter):
    """For people: the message, then what filters have added to it."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name for it
        """Return the line of a record, without its traceback."""
        line = super().formatMessage(record)
        dropped = getattr(record, "dropped", 0)
        request_id = getattr(record, "request_id", None)
        if dropped:
            line += f" ({dropped} similar warnings were dropped)"
        return line if request_id is None else f"{line} [{request_id}]"


class JsonFormatter(OrjsonFormatter):
    """For machines: one JSON object a line, with the message and the record's `fields`."""

    def add_fields(
        self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]
    ) -> None:
        """Set the fields of a line; the library's own search of all record attributes is slow."""
        log_data["time"] = datetime.fromtimestamp(record.created, UTC)
        log_data["level"] = record.levelname
        log_data["logger"] = record.name
        log_data["process"] = record.process
        log_data["message"] = record.message
        for name in ("request_id", "dropped"):
            if hasattr(record, name):
                log_data[name] = getattr(record, name)
        log_data.update(getattr(record, "fields", {}))
        if "exc_info" in message_dict:
            log_data["exception"] = message_dict["exc_info"]

    def jsonify_log_record(self, log_data: dict[str, Any]) -> str:
        """Return the line. If it is too long, the longest texts are cut in their middle."""
        line = self._encoded(log_data)
        if _fits(line):
            return line
        texts = {name: value for name, value in log_data.items() if isinstance(value, str)}
        for name, text in sorted(texts.items(), key=lambda each: -len(each[1])):
            kept = min(len(text), LONGEST_LINE)
            while kept and not _fits(line):
                # By trial, as characters take 1 to 7 bytes in JSON.
                kept = kept * 9 // 10
                log_data[name] = _without_middle(text, kept)
                line = self._encoded(log_data)
        return line

    def _encoded(self, log_data: dict[str, Any]) -> str:
        """Return JSON; text that is not valid Unicode is escaped, as the line would be lost otherwise."""
        try:
            return str(super().jsonify_log_record(log_data))
        except orjson.JSONEncodeError:
            return str(super().jsonify_log_record(_encodable(log_data)))


def _fits(line: str) -> bool:
    return len(line.encode()) <= LONGEST_LINE


def _without_middle(text: str, kept: int) -> str:
    begin = kept // 2
    end = len(text) - (kept - begin)
    return f"{text[:begin]} … {end - begin} characters left out … {text[end:]}"


def _encodable(value: Any) -> Any:
    """Return a value with lone surrogates, as from file names that are not UTF-8, written as escapes."""
    match value:
        case str():
            return value.encode("utf-8", "backslashreplace").decode()
        case dict():
            return {_encodable(key): _encodable(each) for key, each in value.items()}
        case list() | tuple():
            return [_encodable(each) for each in value]
    return value
