"""A process returns freed memory after it has grown, and knows its limit."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from recommender.system import memory
from recommender.system.memory import FreedMemoryReturner, limit_bytes


def test_memory_is_returned_only_after_growth(monkeypatch: pytest.MonkeyPatch) -> None:
    returner = FreedMemoryReturner()
    returner.look()
    trims: list[int] = []
    monkeypatch.setattr(returner, "_trim", trims.append)
    returner.look()
    assert trims == []
    grown = bytearray(64_000_000)
    returner.look()
    assert trims == [0]
    returner.look()
    assert trims == [0]
    assert len(grown) == 64_000_000


def test_growth_counts_from_the_least_memory_since_the_last_return(monkeypatch: pytest.MonkeyPatch) -> None:
    size_mb, trims = 0, list[int]()
    monkeypatch.setattr(memory, "private_bytes", lambda: size_mb * 1_000_000)
    returner = FreedMemoryReturner()
    monkeypatch.setattr(returner, "_trim", trims.append)
    returned_at = []
    for size_mb in (100, 120, 140, 50, 70, 90):
        before = len(trims)
        returner.look()
        if len(trims) > before:
            returned_at.append(size_mb)
    assert returned_at == [100, 140, 90]


def test_without_glibc_there_is_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recommender.system.memory.sys.platform", "darwin")
    returner = FreedMemoryReturner()
    returner.open()
    returner.look()
    returner.close()


@pytest.mark.parametrize(
    ("membership", "files", "limit"),
    [
        ("0::/pods/this\n", {"pods/this/memory.max": "max\n"}, None),
        ("0::/pods/this\n", {"pods/this/memory.max": "3000\n", "pods/memory.max": "2000\n"}, 2000),
        # A container sees its group in the place of the root.
        ("0::/\n", {"memory.max": "2000\n"}, 2000),
        ("5:memory:/this\n", {"memory/this/memory.limit_in_bytes": "2000\n"}, 2000),
        ("5:memory:/this\n", {"memory/this/memory.limit_in_bytes": "9223372036854771712\n"}, None),
        ("5:cpu:/this\n", {"memory/this/memory.limit_in_bytes": "2000\n"}, None),
        ("0::/\n", {}, None),
    ],
)
def test_the_smallest_limit_of_the_control_groups_holds(
    tmp_path: Path, membership: str, files: Mapping[str, str], limit: int | None
) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text(membership)
    for name, content in files.items():
        path = tmp_path / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    assert limit_bytes(tmp_path) == limit
