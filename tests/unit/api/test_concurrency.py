"""A limiter admits and works on as many requests as it may, and gets back every place."""

import pytest

from recommender.api.concurrency import ConcurrencyLimiter, OverloadedError


def limiter(*, working: int = 1, is_open: int = 2) -> ConcurrencyLimiter:
    return ConcurrencyLimiter(working, is_open, patience_s=0.0)


def test_as_many_requests_are_admitted_as_may_be_open() -> None:
    limited = limiter(is_open=2)
    first, _ = limited.admit(), limited.admit()
    with pytest.raises(OverloadedError):
        limited.admit()
    first()
    limited.admit()
    assert limited.occupancy.open == 2


def test_a_request_that_ends_twice_frees_one_place() -> None:
    limited = limiter(is_open=2)
    first, _ = limited.admit(), limited.admit()
    first()
    first()
    limited.admit()
    with pytest.raises(OverloadedError):
        limited.admit()


def test_as_many_requests_are_worked_on_as_there_are_permits() -> None:
    limited = limiter(working=2)
    with limited.permit(), limited.permit():
        assert limited.occupancy.working == 2
        with pytest.raises(OverloadedError), limited.permit():
            pass
    with limited.permit():
        assert limited.occupancy.working == 1


def test_a_request_that_gives_up_returns_its_permit() -> None:
    limited = limiter(working=1)
    for _ in range(2):
        with pytest.raises(OverloadedError), limited.permit(gives_up=lambda: True):
            pass
    with limited.permit(gives_up=lambda: False):
        assert limited.occupancy.working == 1


def test_an_error_returns_the_permit_and_the_place() -> None:
    limited = limiter(working=1, is_open=1)
    for _ in range(2):
        with pytest.raises(LookupError), limited.limit():
            raise LookupError
    assert limited.occupancy[::2] == (0, 0)


def test_no_request_is_admitted_after_the_last_one() -> None:
    limited = limiter()
    release = limited.admit()
    limited.admit_no_more()
    with pytest.raises(OverloadedError):
        limited.admit()
    release()
    with pytest.raises(OverloadedError):
        limited.admit()
