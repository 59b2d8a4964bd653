"""A ranking is written into few characters, and read back."""

from urllib.parse import quote

from recommender.api.explorer.baseline import decode_ranks, encode_ranking, key_of


def test_the_ranks_of_a_written_ranking_are_found_again() -> None:
    ranks = decode_ranks(encode_ranking(["c", "a", "b"]))
    assert [ranks.get(key_of(item_id)) for item_id in "abcd"] == [2, 3, 1, None]
    assert decode_ranks(encode_ranking([])) == {}


def test_a_thousand_ids_of_any_length_fit_into_a_request_line() -> None:
    item_ids = [f"{'Ü/' * 100}{number}" for number in range(1000)]
    baseline = encode_ranking(item_ids)
    assert quote(baseline) == baseline
    assert len(baseline) == 6000
    assert list(map(decode_ranks(baseline).get, map(key_of, item_ids))) == list(range(1, 1001))


def test_a_text_of_another_form_has_no_known_ranks() -> None:
    assert not {key_of("a"), key_of("b")} & set(decode_ranks("a,b,11111111-1111"))
