"""The cache of details is bounded and forgets what it is told to."""

from recommender.catalogue.media_cache import MediaCache
from recommender.domain import Media


def media(media_id: str) -> Media:
    return Media(media_id, f"Title {media_id}", None, None, None, None, ())


def test_the_details_shown_longest_ago_go_first() -> None:
    cache = MediaCache(2)
    cache.remember({"a": media("a"), "b": media("b")})
    cache.remember({"a": media("a")})
    cache.remember({"c": media("c")})
    assert sorted(cache.snapshot()) == ["a", "c"]


def test_forgotten_media_are_not_recalled() -> None:
    cache = MediaCache(5)
    cache.remember({"a": media("a"), "b": media("b")})
    cache.forget(["a", "never there"])
    assert cache.snapshot() == {"b": media("b")}
