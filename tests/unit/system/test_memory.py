"""A process returns freed memory after it has grown."""

import pytest

from recommender.system.memory import FreedMemoryReturner


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


def test_without_glibc_there_is_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recommender.system.memory.sys.platform", "darwin")
    returner = FreedMemoryReturner()
    returner.open()
    returner.look()
    returner.close()
