"""A process returns memory that was freed between objects that live on."""

import gc

import pytest

from recommender.memory import FreedMemoryReturner, private_bytes

_BLOCK_BYTES = 100_000
_BLOCKS = 1_500


def test_freed_memory_between_live_objects_is_returned() -> None:
    returner = FreedMemoryReturner()
    returner.look()
    # Below malloc's mmap threshold, and each with a small neighbour that lives on.
    blocks = [(bytearray(_BLOCK_BYTES), bytearray(1_000)) for _ in range(_BLOCKS)]
    full = private_bytes()
    survivors = [small for _, small in blocks]
    del blocks
    gc.collect()
    kept = private_bytes()
    assert kept > full - _BLOCKS * _BLOCK_BYTES / 2
    returner.look()
    assert private_bytes() < kept - _BLOCKS * _BLOCK_BYTES / 2
    assert len(survivors) == _BLOCKS


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
    monkeypatch.setattr("recommender.memory.sys.platform", "darwin")
    returner = FreedMemoryReturner()
    returner.open()
    returner.look()
    returner.close()
