"""The moment that is served: the present advances, and a past one is fixed, in any time zone."""

from datetime import UTC, datetime, timedelta, timezone

from recommender.system.clock import PRESENT, Clock

MOMENT = datetime(2026, 6, 1, 12, tzinfo=UTC)


def test_the_present_advances_and_all_interactions_are_known() -> None:
    before = datetime.now(UTC)
    assert before <= PRESENT.now() <= PRESENT.now() <= datetime.now(UTC)
    assert PRESENT.known_until == "infinity"


def test_a_past_moment_is_fixed_and_interactions_at_it_are_unknown() -> None:
    clock = Clock(MOMENT)
    assert clock.now() == MOMENT
    assert (clock.moment, clock.known_until) == ("2026-06-01T12:00:00", "2026-06-01T11:59:59.999999")


def test_a_moment_is_utc_unless_it_names_a_time_zone() -> None:
    east = MOMENT.astimezone(timezone(timedelta(hours=9)))
    for same in (MOMENT.replace(tzinfo=None), east):
        assert Clock(same).now() == MOMENT
        assert Clock(same).known_until == Clock(MOMENT).known_until
