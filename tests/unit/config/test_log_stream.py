"""A full pipe does not block the log, which says afterwards how many lines were dropped."""

import fcntl
import io
import json
import logging
import os
import sys
import threading
from collections.abc import Iterator

import pytest

from config import log_stream
from config.log_records import JsonFormatter
from config.log_stream import StderrHandler

_ROOM = 4_096


def entry(text: str) -> logging.LogRecord:
    return logging.LogRecord("a", logging.INFO, __file__, 1, text, (), None)


class Pipe:
    """A small pipe, and a logger that writes to it as to standard error."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reading, writing = os.pipe()
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, _ROOM)
        os.set_blocking(self.reading, False)
        self._stream = os.fdopen(writing, "w")
        with monkeypatch.context() as replaced:
            replaced.setattr(sys, "stderr", self._stream)
            self.handler = StderrHandler()

    def log(self, text: str) -> None:
        self.handler.handle(entry(text))

    def read(self) -> list[str]:
        read = b""
        while True:
            try:
                read += os.read(self.reading, _ROOM)
            except BlockingIOError:
                return read.decode().splitlines()

    def close(self) -> None:
        self.handler.close()
        self._stream.close()
        os.close(self.reading)


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pipe]:
    monkeypatch.setattr(log_stream, "_PATIENCE_MS", 20)
    made = Pipe(monkeypatch)
    yield made
    made.close()


def test_lines_arrive_whole_and_in_order(pipe: Pipe) -> None:
    for number in range(9):
        pipe.log(f"line {number} é \udce9")
    assert pipe.read() == [f"line {number} é \\udce9" for number in range(9)]


def test_lines_that_find_a_full_pipe_are_dropped_and_counted(pipe: Pipe) -> None:
    for number in range(50):
        pipe.log(f"{number:0300}")
    assert [int(line) for line in pipe.read()] == list(range(13))
    pipe.log("after")
    assert pipe.read() == ["log lines dropped because the pipe of standard error was full: 37", "after"]
    pipe.log("last")
    assert pipe.read() == ["last"]


def test_a_partly_written_line_is_ended_before_the_next(pipe: Pipe) -> None:
    pipe.log("long " * _ROOM)
    assert len(pipe.read()) == 1
    pipe.log("after")
    told = ["", "log lines dropped because the pipe of standard error was full: 1", "after"]
    assert pipe.read() == told


def test_the_count_of_dropped_lines_and_the_longest_line_fit_into_one_write(pipe: Pipe) -> None:
    pipe.handler.setFormatter(JsonFormatter())
    for _ in range(9):
        pipe.log("x" * 2_000)
    pipe.read()
    pipe.log("x" * 9_000)
    said = [json.loads(line)["message"] for line in pipe.read()]
    assert said[0].startswith("log lines dropped")
    assert said[1].startswith("xxx")


def test_long_json_lines_of_several_writers_are_not_mixed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each writer has a lock and a descriptor of its own, as each process has."""
    reading, writing = os.pipe()
    lines: list[bytes] = []
    with os.fdopen(reading, "rb") as read, os.fdopen(writing, "w") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        handlers = [StderrHandler() for _ in range(3)]

        def write(handler: StderrHandler) -> None:
            handler.setFormatter(JsonFormatter())
            for _ in range(100):
                handler.handle(entry("x" * 20_000))
            handler.close()

        reader = threading.Thread(target=lambda: lines.extend(read))
        writers = [threading.Thread(target=write, args=(handler,)) for handler in handlers]
        for thread in (reader, *writers):
            thread.start()
        for thread in writers:
            thread.join()
        stream.close()
        reader.join()
    assert len(lines) > 100
    assert all(json.loads(line)["message"] for line in lines)


def test_a_closed_pipe_raises_nothing(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    os.dup2(os.open(os.devnull, os.O_RDONLY), pipe.reading)
    pipe.log("lost")
    pipe.log("lost")
