"""A reader returns what was read after it was asked, and does not wait long for a read that hangs."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from recommender.system import timely
from recommender.system.timely import TimelyReader, is_on_network
from tests.support.waiting import wait_until

pytestmark = pytest.mark.fast

PATIENCE_S = 0.1
FOLDER = Path("/share/models")
MOUNTS = """\
22 1 0:20 / / rw,relatime shared:1 - ext4 /dev/vda rw
40 22 0:45 / /share rw,relatime shared:9 - nfs4 host:/export rw,hard
41 40 0:46 / /share/on\\040disk rw - xfs /dev/vdb rw
42 22 0:47 / /bucket rw - fuse.gcsfuse bucket rw
"""


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


@pytest.fixture(autouse=True)
def mounts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mountinfo").write_text(MOUNTS)
    monkeypatch.setattr(timely, "_MOUNTS", tmp_path / "mountinfo")


@pytest.fixture
def share() -> Iterator[Share]:
    share = Share()
    yield share
    share.answers.set()


def test_each_read_begins_after_it_was_asked_for(share: Share) -> None:
    reader = TimelyReader("share", FOLDER, share.read, 10.0)
    for content in range(100):
        share.content = content
        assert reader.read() == content


def test_a_read_that_began_earlier_is_not_returned(share: Share) -> None:
    reader = TimelyReader("share", FOLDER, share.read, 10.0)
    share.answers.clear()
    earlier = threading.Thread(target=reader.read)
    earlier.start()
    wait_until(lambda: share.reads == 1)
    share.content = 1
    threading.Timer(0.05, share.answers.set).start()
    assert reader.read() == 1
    earlier.join()


def test_while_the_share_hangs_callers_wait_once_and_one_thread_hangs(share: Share) -> None:
    reader = TimelyReader("share", FOLDER, share.read, PATIENCE_S)
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

    reader = TimelyReader("share", FOLDER, read, 10.0)
    assert reader.read() is None
    assert reader.read() == 0


def test_without_threads_the_caller_reads(share: Share, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert TimelyReader("share", FOLDER, share.read, PATIENCE_S).read() == 0


def test_only_folders_on_network_file_systems_are_read_by_a_thread(share: Share) -> None:
    on_network = {"/share": True, "/share/models": True, "/share/on disk/models": False, "/": False}
    on_network |= {"/var/models": False, "/bucket/models": True, "/shared": False}
    assert {folder: is_on_network(Path(folder)) for folder in on_network} == on_network
    share.answers.clear()
    share.answers.wait = lambda *_: False  # type: ignore[method-assign]
    threads = threading.active_count()
    assert TimelyReader("disk", Path("/var/models"), share.read, 10.0).read() == 0
    assert threading.active_count() == threads
