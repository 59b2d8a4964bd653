"""Requests use one index at a time, whatever happens at the same moment."""

import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from recommender.catalog import index_versions
from recommender.catalog.index import CatalogIndex, build_index
from recommender.catalog.index_versions import IndexVersions, Loaded
from recommender.catalog.popularity import Popularity
from recommender.entities import CatalogEntry

POPULARITY = replace(Popularity.of({"a": 3}, active_users=4), rows=3)


def index_with(popularity: Popularity) -> CatalogIndex:
    return build_index([CatalogEntry((["Drama"], "MOVIE", 1999), "a", b"a" * 16)], popularity)


def current_after(first: Popularity, second: Popularity) -> tuple[CatalogIndex, CatalogIndex]:
    """Load two indexes; return the first one, and the one in use afterwards."""
    versions, one = IndexVersions(keep_s=60.0), index_with(first)
    versions.schedule(Loaded(one, 1.0, 1.0), 0.0)
    versions.schedule(Loaded(index_with(second), 2.0, 1.5), 0.0)
    current = versions.current()
    assert current is not None
    assert (current.loaded_at, current.counted_at) == (2.0, 1.5)
    assert current.index.version == one.version
    return one, current.index


def test_a_load_that_changes_nothing_keeps_the_index() -> None:
    one, current = current_after(POPULARITY, replace(POPULARITY, window_start="2026-01-01T00:00:00"))
    assert current is one


def test_a_load_with_more_repetitions_replaces_the_index_of_its_version() -> None:
    repeated = Popularity.of({"a": 3}, active_users=4, repeats={"a": 40})
    _, current = current_after(POPULARITY, replace(repeated, rows=120))
    assert (current.popularity.most_repeats, current.popularity.rows) == (40, 120)


class SwitchedMeanwhile(IndexVersions):
    """Its next index is switched to by a request as soon as it has been read once."""

    scheduled: Any = None

    @property
    def _next(self) -> Any:
        scheduled, self.scheduled = self.scheduled, None
        return scheduled

    @_next.setter
    def _next(self, scheduled: Any) -> None:
        self.scheduled = scheduled


def test_a_switch_between_two_steps_of_another_thread_does_not_break_it() -> None:
    versions = SwitchedMeanwhile(keep_s=60.0)
    versions.schedule(Loaded(index_with(POPULARITY), 1.0, 1.0), 0.0)
    changed = index_with(Popularity.of({"a": 2}, active_users=4))
    versions.schedule(Loaded(changed, 2.0, 2.0), time.monotonic() + 60.0)
    assert versions.is_waiting
    assert not versions.is_waiting


def existing_after(*, load_began_at: float, asked_at: float) -> list[bool]:
    """Return which items exist if one was found to be gone while the catalog was loaded again."""
    versions, index = IndexVersions(keep_s=60.0), index_with(POPULARITY)
    versions.schedule(Loaded(index, 1.0, 1.0), 0.0)
    versions.mark_gone(index, np.array([0]), asked_at)
    assert versions.existing(index).tolist() == [False]
    versions.schedule(Loaded(index_with(POPULARITY), load_began_at, load_began_at), 0.0)
    return list(versions.existing(index).tolist())


def test_an_item_is_left_out_until_a_load_that_began_after_it_was_gone() -> None:
    assert existing_after(load_began_at=2.0, asked_at=3.0) == [False]
    assert existing_after(load_began_at=4.0, asked_at=3.0) == [True]


def test_an_item_that_was_gone_before_the_last_load_began_is_not_left_out() -> None:
    versions, index = IndexVersions(keep_s=60.0), index_with(POPULARITY)
    versions.schedule(Loaded(index, 2.0, 2.0), 0.0)
    versions.mark_gone(index, np.array([0]), 1.0)
    assert versions.existing(index).tolist() == [True]


def test_replaced_indexes_are_kept_up_to_a_number_of_items(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_versions, "_MAX_KEPT_ITEMS", 2)
    versions = IndexVersions(keep_s=60.0)
    indexes = [index_with(Popularity.of({"a": users}, active_users=9)) for users in range(1, 6)]
    for loaded_at, index in zip((1.0, 2.0, 3.0, 4.0, 5.0), indexes, strict=True):
        versions.schedule(Loaded(index, loaded_at, loaded_at), 0.0)
    versions.drop_expired()
    kept = [versions.find(index.version) is index for index in indexes]
    assert kept == [False, False, True, True, True]
