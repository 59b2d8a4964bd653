"""A reader returns what was read after it was asked, and does not wait long for a read that hangs."""

import threading
import time
from collections.abc import Iterator

import pytest

from recommender.timely import TimelyReader
from tests.support.waiting import wait_until

pytestmark = pytest.mark.fast

PATIENCE_S = 0.1


class Share:
    """A file system that can hang."""

    def __init__(self) -> None:
        self.answers = threading.Event()
        self.answers.set()
        self.content = 0
        self.reads = 0

    def read(self) -> int:
        self.reads += 1
        content = self.content
        self.answers.wait()
        return content


@pytest.fixture
def share() -> Iterator[Share]:
    share = Share()
    yield share
    share.answers.set()


def test_each_read_begins_after_it_was_asked_for(share: Share) -> None:
    reader = TimelyReader("share", share.read, 10.0)
    for content in range(100):
        share.content = content
        assert reader.read() == content


def test_a_read_that_began_earlier_is_not_returned(share: Share) -> None:
    reader = TimelyReader("share", share.read, 10.0)
    share.answers.clear()
    earlier = threading.Thread(target=reader.read)
    earlier.start()
    wait_until(lambda: share.reads == 1)
    share.content = 1
    threading.Timer(0.05, share.answers.set).start()
    assert reader.read() == 1
    earlier.join()


def test_while_the_share_hangs_callers_wait_once_and_one_thread_hangs(share: Share) -> None:
    reader = TimelyReader("share", share.read, PATIENCE_S)
    share.answers.clear()
    assert reader.read() is None
    time.sleep(PATIENCE_S)
    began = time.monotonic()
    assert [reader.read() for _ in range(1_000)] == [None] * 1_000
    assert time.monotonic() - began < 50 * PATIENCE_S, "they do not wait each"
    assert share.reads == 1
    share.answers.set()
    wait_until(lambda: reader.read() == 0)


def test_an_error_is_no_result_and_the_next_read_works(share: Share) -> None:
    failing = iter([True, False])

    def read() -> int:
        if next(failing, False):
            raise ValueError
        return share.read()

    reader = TimelyReader("share", read, 10.0)
    assert reader.read() is None
    assert reader.read() == 0


def test_without_threads_the_caller_reads(share: Share, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert TimelyReader("share", share.read, PATIENCE_S).read() == 0
