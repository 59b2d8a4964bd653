"""Which losses are held back, for how long, and when the catalog is checked again soon."""

from recommender.catalog.gate import CatalogGate, HoldReason, LossGate
from recommender.catalog.popularity import Popularity


def gate(*counts: int) -> LossGate:
    """Return a gate that has seen some counts, two seconds apart, up to the moment 0."""
    found = LossGate(max_loss=0.2, patience_s=60)
    for number, count in enumerate(counts):
        found.admits(count, 2.0 * (number - len(counts)))
    return found


def test_a_small_loss_is_admitted_and_a_large_one_is_not() -> None:
    assert gate(100, 100).admits(80, 0.0)
    assert not gate(100, 100).admits(79, 0.0)


def test_a_lasting_large_loss_is_admitted() -> None:
    found = gate(100, 100)
    assert [found.admits(50, moment) for moment in (0.0, 30.0, 59.0, 60.0)] == [False, False, False, True]
    assert not found.unsettled


def test_a_changing_loss_restarts_the_wait() -> None:
    found = gate(100, 100)
    assert not found.admits(10, 0.0)
    assert not found.admits(50, 50.0)
    assert not found.admits(50, 100.0)
    assert found.admits(50, 110.0)


def test_an_empty_load_is_never_admitted_after_a_filled_one() -> None:
    found = gate(100, 100)
    assert not any(found.admits(0, moment) for moment in (0.0, 100.0, 10_000.0))


def test_small_losses_add_up() -> None:
    found = gate(100, 100)
    assert [found.admits(count, 0.0) for count in (90, 81, 72)] == [True, True, False]


def test_a_count_that_falls_by_little_each_time_is_no_loss() -> None:
    found = gate(1000, 1000)
    for number in range(1, 500):
        assert found.admits(1000 - number, 300.0 * number)
        assert not found.unsettled


def test_a_first_count_and_a_loss_are_checked_again_until_they_are_steady() -> None:
    assert gate(100).unsettled
    assert gate(100, 200).unsettled
    assert not gate(100, 200, 200).unsettled
    found = gate(100, 100)
    found.admits(85, 0.0)
    assert found.unsettled
    assert [found.admits(100, moment) for moment in (2.0, 4.0)] == [True, True]
    assert not gate(100, 100, 85, 100, 100).unsettled


def test_small_losses_and_growth_of_a_settled_count_are_not_checked_again() -> None:
    assert not gate(1000, 1000, 995).unsettled
    assert not gate(1000, 1000, 2000).unsettled


def test_the_catalog_is_checked_again_until_each_of_its_counts_is_steady() -> None:
    whole, half = (Popularity.of({"a": users}, active_users=100) for users in (100, 50))
    found = CatalogGate(0.2, 60)
    for now in (0.0, 2.0):
        found.examine_items(10, 10, now, first=False)
        assert found.unsettled
    for now in (0.0, 2.0):
        found.examine_popularity(whole, 10, now)
    assert not found.unsettled
    assert found.examine_popularity(half, 10, 4.0) is not None
    assert found.unsettled


def test_the_reason_names_what_is_missing() -> None:
    for item_count, genres, reason in (
        (0, 0, HoldReason.EMPTY),
        (5, 5, HoldReason.FEWER_ITEMS),
        (10, 0, HoldReason.FEWER_GENRES),
    ):
        whole = CatalogGate(0.2, 60)
        assert whole.examine_items(10, 10, 0.0, first=True) is None
        held_back = whole.examine_items(item_count, genres, 1.0, first=False)
        assert held_back is not None
        assert (held_back.item_count, held_back.reason) == (item_count, reason)


def test_small_losses_that_last_are_accepted_one_after_the_other() -> None:
    found, count = gate(100_000, 100_000), 100_000
    for step in range(20):
        count = count * 85 // 100
        assert found.admits(count, 125.0 * step)
        assert found.admits(count, 125.0 * step + 61.0)
    assert count < 5_000


def test_a_loss_within_a_hundredth_of_a_settled_count_is_used_at_once() -> None:
    found = LossGate(max_loss=0.0, patience_s=60)
    assert all(found.admits(count, moment) for count, moment in ((1000, 0.0), (1000, 2.0), (991, 100.0)))
    assert not found.admits(970, 100.0)
