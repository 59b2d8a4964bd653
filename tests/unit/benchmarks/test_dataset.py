"""Data that is larger than the free space on the disk is refused."""

from pathlib import Path

import click
import pytest

from benchmarks.dataset import HUGE, disk_bytes, require_room, size_of


def test_data_larger_than_the_disk_is_refused_with_both_figures(tmp_path: Path) -> None:
    with pytest.raises(click.ClickException, match=r"about [0-9.]+ GB of disk, and .* has [0-9.]+ GB free"):
        require_room(tmp_path, 10**15, 10**9)


def test_a_hundred_million_interactions_are_of_a_million_users() -> None:
    users, items = size_of(HUGE)
    assert (users, items) == (1_000_000, 100_000)
    assert 4e10 < disk_bytes(HUGE, users) < 8e10
