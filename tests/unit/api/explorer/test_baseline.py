"""A ranking is written into few characters, and read back."""

from urllib.parse import quote

from recommender.api.explorer.baseline import mark_of, ranks_in, written


def test_the_ranks_of_a_written_ranking_are_found_again() -> None:
    ranks = ranks_in(written(["c", "a", "b"]))
    assert [ranks.get(mark_of(item_id)) for item_id in "abcd"] == [2, 3, 1, None]
    assert ranks_in(written([])) == {}


def test_a_thousand_ids_of_any_length_fit_into_a_request_line() -> None:
    item_ids = [f"{'Ü/' * 100}{number}" for number in range(1000)]
    baseline = written(item_ids)
    assert quote(baseline) == baseline
    assert len(baseline) == 6000
    assert list(map(ranks_in(baseline).get, map(mark_of, item_ids))) == list(range(1, 1001))


def test_a_text_of_another_form_has_no_known_ranks() -> None:
    assert not {mark_of("a"), mark_of("b")} & set(ranks_in("a,b,11111111-1111"))
