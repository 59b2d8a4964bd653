"""Compiled code is kept in files, and compiled again where these are of no use."""

import errno
import importlib.util
import itertools
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numba
import pytest

from recommender.system import code_cache
from tests.support.small_disk import mounted_small_disk

_MODULE = """
from recommender.system.compiled import compiled

@compiled
def double(number):
    return 2 * number
"""
_numbers = itertools.count()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "loops.py"
    path.write_text(_MODULE)
    return path


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for compiled code, as in a process that has logged nothing."""
    path = tmp_path / "cache"
    path.mkdir()
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(path))
    monkeypatch.setattr(code_cache, "_logged", set())
    return path


def started(source: Path) -> Any:
    """Return the function as a new process has it, after a call."""
    spec = importlib.util.spec_from_file_location(f"loops_{next(_numbers)}", source)
    assert spec is not None
    assert spec.loader is not None
    module: ModuleType = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.double(21) == 42
    return module.double


def is_read(double: Any) -> bool:
    """Return whether the code was read, not compiled."""
    return bool(double.stats.cache_hits)


def files(cache: Path, kind: str) -> list[Path]:
    return list(cache.rglob(f"*.{kind}"))


@pytest.mark.usefixtures("cache")
def test_code_is_compiled_once(source: Path) -> None:
    assert not is_read(started(source))
    assert is_read(started(source))


@pytest.mark.parametrize("rest", [0, 20], ids=["empty", "torn"])
@pytest.mark.parametrize("kind", ["nbi", "nbc"])
def test_code_in_a_damaged_file_is_compiled_again_and_kept(
    source: Path, cache: Path, kind: str, rest: int, caplog: pytest.LogCaptureFixture
) -> None:
    started(source)
    (damaged,) = files(cache, kind)
    os.truncate(damaged, rest)
    assert not is_read(started(source))
    assert "cannot be read" in caplog.text
    assert is_read(started(source))


def test_a_damaged_file_that_cannot_be_replaced_ends_no_start(
    source: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started(source)
    (damaged,) = files(cache, "nbi")
    os.truncate(damaged, 0)

    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "replace", refuse)
    assert not is_read(started(source))


@pytest.mark.usefixtures("cache")
def test_code_of_another_release_is_not_run_after_its_own_could_not_be_kept(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started(source)
    source.write_text(_MODULE.replace("2 * number", "number + number"))

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as full:
        full.setattr(numba.core.caching.IndexDataCacheFile, "_save_data", refuse)
        assert not is_read(started(source))
    for expected in (False, True):
        assert is_read(started(source)) is expected


def test_processes_that_compile_at_once_do_not_write_two_signatures_to_one_file(
    source: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each of them has found an empty index.
    monkeypatch.setattr(numba.core.caching.IndexDataCacheFile, "_load_index", lambda _: {})
    started(source)(0.5)
    assert len(files(cache, "nbc")) == 2


def test_files_that_another_release_wrote_long_ago_are_removed(source: Path, cache: Path) -> None:
    started(source)
    earlier = {*files(cache, "nbi"), *files(cache, "nbc")}
    os.utime(min(earlier), (0, 0))
    source.write_text(_MODULE + "\n")
    started(source)
    left = {*files(cache, "nbi"), *files(cache, "nbc")}
    assert earlier - left == {min(earlier)}
    assert is_read(started(source))


@pytest.fixture
def full_cache(cache: Path) -> Iterator[Path]:
    # Not so small that no folder can be made in it.
    with mounted_small_disk(cache, "64k") as disk:
        disk.fill()
        yield cache


@pytest.mark.usefixtures("full_cache")
def test_on_a_full_disk_code_is_compiled_and_one_line_says_that_it_is_not_kept(
    source: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        assert not is_read(started(source))
    (line,) = [each for each in caplog.records if each.levelno == logging.WARNING]
    assert "cannot be kept in" in line.getMessage()
    assert "No space left on device" in line.getMessage()
