"""The cache of details is bounded in number and in bytes, and drops items on request."""

import tracemalloc

import orjson
import pytest

from recommender.catalog.item_cache import ItemCache
from recommender.entities import Item, Value

PLENTY = 10_000_000


def item(item_id: str, description: str | None = None) -> Item:
    title = f"Title {item_id}"
    return Item(item_id, title, (), {"title": title, "description": description, "genres": ()})


def test_the_least_recently_shown_details_are_dropped_first() -> None:
    first = item("a")
    # An item that did not change is the same object again.
    for again in (first, item("a")):
        cache = ItemCache(2, PLENTY)
        cache.remember({"a": first, "b": item("b")})
        cache.remember({"a": again})
        cache.remember({"c": item("c")})
        assert sorted(cache.snapshot()) == ["a", "c"]


def test_forgotten_items_are_not_recalled() -> None:
    cache = ItemCache(5, PLENTY)
    cache.remember({"a": item("a"), "b": item("b")})
    cache.forget(["a", "never there"])
    assert cache.snapshot() == {"b": item("b")}
    cache.forget(["b"])
    assert (len(cache), cache.bytes) == (0, 0)


def test_the_limit_in_bytes_applies_before_that_of_the_number() -> None:
    cache = ItemCache(1000, 100_000)
    for number in range(100):
        cache.remember({str(number): item(str(number), "x" * 10_000)})
        assert cache.bytes <= 100_000
    assert sorted(cache.snapshot()) == [str(number) for number in range(91, 100)]


def test_details_that_changed_count_once() -> None:
    cache = ItemCache(1000, 100_000)
    for length in (50_000, 10, 60_000, 20):
        cache.remember({"a": item("a", "x" * length), "b": item("b")})
        assert sorted(cache.snapshot()) == ["a", "b"]
    assert cache.bytes < 2_000


def test_an_item_larger_than_the_budget_is_not_kept_and_displaces_no_other() -> None:
    cache = ItemCache(1000, 100_000)
    cache.remember({"a": item("a"), "b": item("b")})
    cache.remember({"a": item("a", "x" * 100_000)})
    assert sorted(cache.snapshot()) == ["b"]


@pytest.mark.parametrize("letter", ["x", "é", "ж", "語", "😀"])
def test_the_counted_bytes_are_those_in_use(letter: str) -> None:
    cache = ItemCache(PLENTY, PLENTY)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for number in range(300):
            title = f"{number}" + letter * 30
            genres = (f"{number}" + letter * 9, f"{number}" + letter * 10)
            attributes: dict[str, Value] = {
                "title": title,
                "description": f"{number}" + letter * 300,
                "release_year": 2000,
                "media_type": f"{number}",
                "cover_url": None,
                "genres": genres,
            }
            row = (item_id := f"{number:036}", title, attributes["description"], 2000, f" {number}", None)
            names = [f" {number}" + letter * 9, f" {number}" + letter * 10]
            details = Item(item_id, title, genres, attributes, (*row, names))
            cache.remember({details.id: details})
            orjson.dumps(attributes)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before <= cache.bytes <= 2.5 * (after - before)
