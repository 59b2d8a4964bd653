"""A fingerprint distinguishes datasets by their ids and times."""

from dataclasses import replace

import numpy as np
import pytest

from recommender.model_store.fingerprints import fingerprint_of
from tests.support.datasets import dataset

HISTORIES = {"ann": ["a", "b"], "bob": ["b", "c"]}


def test_the_same_data_have_the_same_fingerprint() -> None:
    assert fingerprint_of(dataset(HISTORIES)) == fingerprint_of(dataset(HISTORIES))


@pytest.mark.parametrize(
    "other",
    [
        {"ann": ["a", "b"], "eve": ["b", "c"]},
        {"ann": ["a", "b"], "bob": ["b", "d"]},
        {"ann": ["a", "b"]},
        {"annb": ["a", "b"], "ob": ["b", "c"]},
    ],
)
def test_other_ids_have_another_checksum(other: dict[str, list[str]]) -> None:
    assert fingerprint_of(dataset(other)).ids_checksum != fingerprint_of(dataset(HISTORIES)).ids_checksum


def test_the_time_span_is_that_of_the_interactions() -> None:
    found = fingerprint_of(dataset(HISTORIES))
    assert (found.first_at, found.last_at) == ("1970-01-01T00:00:01+00:00", "1970-01-01T00:00:02+00:00")


def test_without_times_there_is_no_span() -> None:
    data = dataset(HISTORIES)
    for times in (np.full(len(data.times), np.nan), np.full(len(data.times), -np.inf)):
        found = fingerprint_of(replace(data, times=times))
        assert (found.first_at, found.last_at) == (None, None)


def test_a_time_outside_the_calendar_is_none() -> None:
    data = dataset(HISTORIES)
    found = fingerprint_of(replace(data, times=np.full(len(data.times), 1e18)))
    assert (found.first_at, found.last_at) == (None, None)
