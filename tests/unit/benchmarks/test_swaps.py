"""The first answers after a swap of models."""

from benchmarks.swaps import FIRST, Asked, after_swaps


def test_first_answers_by_each_version_that_was_not_in_use() -> None:
    asked = Asked()
    # The second worker still answers by the old version for half a second; the first comes back later.
    for began, version, seconds in (
        (0.0, b"a", 0.1),
        (5.0, b"a", 0.1),
        (5.1, b"b", 0.9),
        (5.2, b"a", 0.1),
        (5.6, b"b", 0.2),
        (5.7, b"b", 0.3),
        (5.8, b"b", 0.4),
        (5.9, b"b", 0.5),
        (7.5, b"b", 0.1),
        (9.0, b"b", 0.1),
        (9.1, b"a", 0.7),
    ):
        asked.began.append(began)
        asked.ranked_by.append(version)
        asked.seconds.append(seconds)
    assert after_swaps(asked) == [[0.9, 0.2, 0.3, 0.4], [0.7]]
    assert len(after_swaps(asked)[0]) == FIRST
