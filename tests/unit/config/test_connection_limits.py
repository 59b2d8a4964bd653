"""How many connections a worker accepts."""

import resource
from collections.abc import Iterator

import pytest

from config.open_files import most_connections, raise_limit_of_open_files


@pytest.fixture
def hard() -> Iterator[int]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield before[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_the_limit_of_open_files_is_raised_as_far_as_it_may(hard: int) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (900, hard))
    limit = raise_limit_of_open_files()
    assert limit > 900
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (limit, hard)
    assert raise_limit_of_open_files() == limit


@pytest.mark.parametrize("open_files", [64, 1_024, 65_536])
@pytest.mark.parametrize("threads", [10, 66, 1_530])
def test_a_worker_accepts_more_connections_than_it_has_threads(open_files: int, threads: int) -> None:
    assert most_connections(open_files, threads, to_databases=30) > threads


def test_connections_leave_files_for_databases() -> None:
    assert most_connections(1_024, 66, to_databases=30) <= 1_024 - 2 * 30
    assert most_connections(1_024, 66, to_databases=30) > 500
    assert most_connections(65_536, 66, to_databases=30) == 1_066
