"""Interactions drawn in slices have the same number and order as those drawn at once."""

from datetime import datetime
from functools import cache

import numpy as np

from benchmarks.population import HEAVIEST_ITEMS, Population

_ROWS = 30_000


@cache
def _rows(slice_rows: int) -> tuple[Population, np.ndarray, np.ndarray, np.ndarray]:
    population = Population(1, 1_500, 10_000, _ROWS, slice_rows)
    now = datetime(2026, 1, 1)  # noqa: DTZ001 - the databases' timestamps are naive UTC
    data = b"".join(population.interaction_blocks(now, 10_000))
    ids, times, users = [], [], []
    at = 19
    while data[at : at + 2] != b"\xff\xff":
        assert data[at : at + 2] == b"\0\x06"
        fields, at = [], at + 2
        for _ in range(6):
            length = int.from_bytes(data[at : at + 4], "big")
            fields.append(data[at + 4 : at + 4 + length])
            at += 4 + length
        ids.append(int.from_bytes(fields[0], "big"))
        users.append(fields[1])
        times.append(int.from_bytes(fields[5], "big", signed=True))
    order = np.argsort(ids)
    return population, np.array(ids)[order], np.array(times)[order], np.array(users)[order]


def test_slices_have_all_rows_oldest_first_and_the_heaviest_user_whole() -> None:
    population, ids, times, users = _rows(slice_rows=12_500)
    assert ids.tolist() == list(range(1, _ROWS + 1))
    assert (np.diff(times) >= 0).all()
    heaviest = population.user_keys[0].tobytes().rstrip(b"\0")
    assert (users == heaviest).sum() == HEAVIEST_ITEMS
    assert len(set(users.tolist())) == population.has_history.sum()


def test_ages_of_slices_are_distributed_like_those_drawn_at_once() -> None:
    _, _, at_once, _ = _rows(slice_rows=_ROWS)
    _, _, sliced, _ = _rows(slice_rows=12_500)
    day_us = 86_400 * 1e6
    quantiles = np.linspace(0.1, 0.9, 9)
    difference = np.quantile(at_once, quantiles) - np.quantile(sliced, quantiles)
    assert np.abs(difference).max() < 1.0 * day_us
