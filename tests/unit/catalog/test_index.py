"""The catalog index orders media, and knows their genres and the idf of other media."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.catalog import attribute_arrays
from recommender.catalog.attribute_arrays import (
    AttributeArray,
    LargeSetArray,
    SetArray,
    array_of,
    mask_of,
)
from recommender.catalog.attribute_values import values_of
from recommender.catalog.columns import CatalogColumns
from recommender.catalog.index import build_index, index_of, window_start
from recommender.catalog.popularity import UNKNOWN_POPULARITY, Popularity
from recommender.databases.engagement_db import ItemCounts
from recommender.domains.attributes import AttributeKind
from recommender.domains.media import MEDIA
from recommender.entities import CatalogEntry, ItemFilter, NamesCondition, RangeCondition, Wanted
from recommender.models.user_knn.similarity import idf_weight, idf_weights
from recommender.ranking.genre_matching import count_matches
from recommender.texts.id_table import IdTexts
from recommender.texts.names import distinct_names


def entries(**genres: list[str] | None) -> list[CatalogEntry]:
    return [
        CatalogEntry((names, None, None), item_id, item_id.encode() * 16) for item_id, names in genres.items()
    ]


POPULARITY = Popularity.of(positive_users={"b": 5, "c": 5, "gone": 2}, active_users=8)


def test_items_are_ordered_by_popularity_then_id() -> None:
    index = build_index(entries(d=None, c=[], a=["X"], b=["Y"]), POPULARITY)
    assert index.item_ids == ["b", "c", "a", "d"]


def test_ids_are_located_and_unknown_ones_are_minus_one() -> None:
    index = build_index(entries(a=[], b=[]), POPULARITY)
    assert index.locate(["a", "gone", "b"]).tolist() == [1, -1, 0]
    assert index.mask(["a", "gone"]).tolist() == [False, True]


def test_genres_differing_in_case_are_one() -> None:
    index = build_index(entries(a=["Drama", "DRAMA", "war"], b=["comedy"]), UNKNOWN_POPULARITY)
    stated = distinct_names(["dRAMA", "Comedy", "WAR", "unheard of"])
    matches = count_matches(index.genre_masks, index.genre_mask(list(stated)))
    assert matches.tolist() == [2, 1]


def test_more_than_64_genres_fit() -> None:
    index = build_index(entries(a=[f"g{n}" for n in range(200)], b=["g150"]), UNKNOWN_POPULARITY)
    matches = count_matches(index.genre_masks, index.genre_mask(["g150", "g3"]))
    assert matches.tolist() == [2, 1]


def test_the_typical_repeats_are_those_of_half_of_the_pairs() -> None:
    users = {"a": 50, "b": 30, "c": 20}
    assert Popularity.of(users, 60).typical_repeats == 1
    assert Popularity.of(users, 60, repeats={"c": 1_500}).typical_repeats == 1
    assert Popularity.of(users, 60, repeats={"a": 3, "b": 40, "c": 7}).typical_repeats == 3
    assert Popularity.of(users, 60, repeats={"b": 40, "c": 7}).typical_repeats == 1
    assert Popularity.of({}, 0).typical_repeats == 1


def test_repeats_are_rounded_and_at_least_1() -> None:
    counts = ItemCounts(IdTexts.of(["a", "b", "c", "d"]), np.array([3, 3, 3, 0]), np.array([7, 8, 1, 5]))
    found = Popularity.of_counts(counts, 3, "-infinity")
    assert found.repeats_of(["a", "b", "c", "d", "unknown"]).tolist() == [2, 3, 1, 1, 1]


def test_items_outside_the_catalog_have_an_idf_and_new_ones_count_as_found_once() -> None:
    index = build_index(entries(b=[]), POPULARITY)
    assert idf_weights(index.popularity, ["b", "gone", "new"]) == [
        idf_weight(8, 5),
        idf_weight(8, 2),
        idf_weight(8, 1),
    ]


def test_an_empty_catalog_is_an_index_too() -> None:
    index = build_index([], UNKNOWN_POPULARITY)
    assert index.locate(["a"]).tolist() == [-1]
    assert len(count_matches(index.genre_masks, index.genre_mask(["x"]))) == 0


def test_the_same_content_has_the_same_version_in_any_order() -> None:
    items = entries(a=["X", "Y"], b=["Y"], c=None)
    version = build_index(items, POPULARITY).version
    later = Popularity.of({"gone": 2, "c": 5, "b": 5}, 8, window_start="2026-01-01")
    assert build_index(reversed(items), later).version == version


def test_any_data_that_a_ranking_reads_changes_the_version() -> None:
    items = entries(a=["X", "Y"], b=["Y"], c=None)
    others = [
        build_index(items, Popularity.of({"b": 5, "c": 5, "gone": 3}, 8)),
        build_index(items, Popularity.of({"b": 5, "c": 6, "gone": 2}, 8)),
        build_index(items, Popularity.of({"b": 5, "c": 5, "gone": 2}, 9)),
        build_index(items, UNKNOWN_POPULARITY),
        build_index(items[:2], POPULARITY),
        build_index(entries(a=["X"], b=["Y"], c=None), POPULARITY),
        build_index([items[0]._replace(values=(["X", "Y"], "FILM", None)), *items[1:]], POPULARITY),
        build_index([items[0]._replace(values=(["X", "Y"], None, 1999)), *items[1:]], POPULARITY),
    ]
    versions = {index.version for index in (build_index(items, POPULARITY), *others)}
    assert len(versions) == 1 + len(others)


@given(order=st.permutations(range(6)), size=st.integers(1, 6))
def test_an_index_does_not_depend_on_the_order_and_the_chunks_of_its_rows(
    order: list[int], size: int
) -> None:
    genres: Sequence[list[str | None] | None] = (
        ["War", "Drama"],
        None,
        ["drama ", "X"],
        ["y", None, "war"],
        [],
        ["x"],
    )
    types = ("Film", None, "SERIES", "film", "", "series")
    rows = [
        CatalogEntry((names, media_type, 1990 + n), "cabfde"[n], bytes([n]) * 16)
        for n, (names, media_type) in enumerate(zip(genres, types, strict=True))
    ]
    whole, columns = build_index(rows, POPULARITY), CatalogColumns(MEDIA)
    for start in range(0, 6, size):
        columns.add([rows[n] for n in order[start : start + size]])
    chunked = index_of(columns, POPULARITY)
    assert (chunked.version, columns.genre_count) == (whole.version, 8)
    keys = b"".join(row.item_key for row in rows)
    assert chunked.item_keys.locate(keys).tolist() == whole.item_keys.locate(keys).tolist()
    assert chunked.genres.numbers == whole.genres.numbers


def test_the_window_starts_its_days_ago_in_utc_or_never() -> None:
    now = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
    assert window_start(90, now) == "2025-12-01T12:30:00"
    assert window_start(0, now) == "-infinity"


def test_filters_mark_the_items_that_pass_all() -> None:
    index = build_index(
        [
            CatalogEntry((["Drama"], "MOVIE", 1999), "a", b"a" * 16),
            CatalogEntry((["drama", "WAR"], "Series", 2005), "b", b"b" * 16),
            CatalogEntry((None, None, None), "c", b"c" * 16),
        ],
        UNKNOWN_POPULARITY,
    )

    def passing(
        *conditions: NamesCondition | RangeCondition, excluded_ids: tuple[str, ...] = ()
    ) -> list[str]:
        mask = index.matching(ItemFilter(conditions, excluded_ids))
        assert mask is not None
        return [item_id for item_id, passes in zip(index.item_ids, mask, strict=True) if passes]

    def genres(*names: str, wanted: Wanted = Wanted.ANY) -> NamesCondition:
        return NamesCondition("genres", names, wanted)

    def types(*names: str, wanted: Wanted = Wanted.ANY) -> NamesCondition:
        return NamesCondition("media_type", names, wanted)

    def years(least: int | None, most: int | None) -> RangeCondition:
        return RangeCondition("release_year", least, most)

    assert index.matching(ItemFilter()) is None
    assert passing(genres("DRAMA")) == ["a", "b"]
    assert passing(genres("war", "nothing")) == ["b"]
    assert passing(genres("nothing")) == []
    assert passing(genres("war", "Drama", wanted=Wanted.ALL)) == ["b"]
    assert passing(genres("war", "nothing", wanted=Wanted.ALL)) == []
    assert passing(genres("WAR", "nothing", wanted=Wanted.NONE)) == ["a", "c"]
    assert passing(types("movie", "SERIES")) == ["a", "b"]
    assert passing(types("nothing")) == []
    assert passing(types("Movie", wanted=Wanted.NONE)) == ["b", "c"]
    assert passing(years(1999, None)) == ["a", "b"]
    assert passing(years(2000, None)) == ["b"]
    assert passing(years(None, 1999)) == ["a"]
    assert passing(excluded_ids=("a", "unknown")) == ["b", "c"]
    assert passing(genres("drama"), types("series"), years(2000, 2005)) == ["b"]


def array_of_values(kind: AttributeKind, values: Sequence[Any]) -> AttributeArray:
    collected = values_of(kind)
    collected.add(values)
    return array_of(collected, np.arange(len(values)))


def test_a_missing_number_or_nan_is_in_no_range() -> None:
    array = array_of_values(AttributeKind.NUMBER, [None, math.nan, math.inf, 0.5])
    assert mask_of(array, RangeCondition("x", 0)).tolist() == [False, False, False, True]


def test_a_condition_of_another_kind_than_the_attribute_is_refused() -> None:
    index = build_index(entries(a=["X"]), UNKNOWN_POPULARITY)
    for condition in (RangeCondition("genres", 1), NamesCondition("release_year", ("X",))):
        with pytest.raises(TypeError, match=condition.attribute):
            index.matching(ItemFilter((condition,)))


def test_entries_have_a_value_for_each_attribute_of_the_domain() -> None:
    with pytest.raises(ValueError, match="zip"):
        build_index([CatalogEntry((["X"],), "a", b"a" * 16)], UNKNOWN_POPULARITY)


NAMES = ["Drama", "drama ", "War", "Sci-Fi", "", None]


@given(
    values=st.lists(st.none() | st.lists(st.sampled_from(NAMES), max_size=4), max_size=12),
    names=st.sets(st.sampled_from(["DRAMA", "war", "Sci-Fi", "nothing"]), min_size=1).map(tuple),
    wanted=st.sampled_from(Wanted),
)
def test_sets_with_many_names_match_as_those_with_few_do(
    values: list[list[str | None] | None], names: tuple[str, ...], wanted: Wanted
) -> None:
    condition = NamesCondition("tags", names, wanted)
    few = array_of_values(AttributeKind.SET, values)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attribute_arrays, "_MOST_BITS", -1)
        many = array_of_values(AttributeKind.SET, values)
    assert isinstance(few, SetArray)
    assert isinstance(many, LargeSetArray)
    assert mask_of(many, condition).tolist() == mask_of(few, condition).tolist()


def test_many_names_take_little_memory() -> None:
    array = array_of_values(
        AttributeKind.SET, [[f"tag {number}", f"tag {number + 1}"] for number in range(20_000)]
    )
    assert isinstance(array, LargeSetArray)
    assert array.array.nbytes + array.starts.nbytes < 400_000
    found = mask_of(array, NamesCondition("tags", ("TAG 7",), Wanted.ANY))
    assert np.flatnonzero(found).tolist() == [6, 7]


@pytest.mark.parametrize("backwards", [False, True])
def test_rows_with_the_same_id_are_one_item_whichever_is_read_first(*, backwards: bool) -> None:
    read = [*entries(a=["X"], b=["Y"]), *entries(a=["W", "X"], c=[])]
    index = build_index(read[::-1] if backwards else read, POPULARITY)
    assert index.item_ids == ["b", "c", "a"]
    assert index.version == build_index(entries(a=["W", "X"], b=["Y"], c=[]), POPULARITY).version
