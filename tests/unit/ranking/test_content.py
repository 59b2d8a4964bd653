"""The content score counts the stated genres that an item has."""

from hypothesis import given
from hypothesis import strategies as st

from recommender.ranking.content import count_matches, pack_genres

GENRE_SETS = st.lists(st.sets(st.integers(0, 149)).map(sorted), min_size=1, max_size=20)


@given(GENRE_SETS, st.sets(st.integers(0, 149)).map(sorted))
def test_stated_genres_that_a_medium_has_are_counted(media: list[list[int]], user: list[int]) -> None:
    matches = count_matches(pack_genres(media, 150), pack_genres([user], 150)[0])
    assert matches.tolist() == [len(set(genres) & set(user)) for genres in media]
