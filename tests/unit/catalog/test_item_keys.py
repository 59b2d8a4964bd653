"""Binary ids are found again, thousands at a time, even if they are very similar."""

import uuid

import numpy as np
import pytest

from recommender.catalog.item_keys import ItemKeys, arrays_of_keys, fold_keys, words_of_keys

KEYS = {
    "random": [uuid.UUID(int=(n * 0x9E3779B97F4A7C15F39CC0605CEDC835) % 2**128).bytes for n in range(5_000)],
    "counted in the last digits": [uuid.UUID(int=(4 << 76) + n).bytes for n in range(5_000)],
    "counted in the first digits": [uuid.UUID(int=(n << 96) + 7).bytes for n in range(5_000)],
    "integers": [n.to_bytes(8, "big") for n in range(5_000)],
    "one": [bytes(16)],
}


def index_of(keys: list[bytes]) -> ItemKeys:
    words = words_of_keys({len(key) for key in keys})
    return ItemKeys(words, arrays_of_keys(fold_keys(b"".join(keys), words)))


@pytest.mark.parametrize("kind", KEYS)
def test_every_key_is_found_at_its_index(kind: str) -> None:
    keys = KEYS[kind]
    order = np.random.default_rng(1).permutation(len(keys))
    assert index_of(keys).locate(b"".join(keys[n] for n in order)).tolist() == order.tolist()


@pytest.mark.parametrize("kind", KEYS)
def test_unknown_keys_are_minus_one(kind: str) -> None:
    known, width = KEYS[kind][::2], len(KEYS[kind][0])
    unknown = [*KEYS[kind][1::2], b"\xff" * width]
    assert set(index_of(known).locate(b"".join(unknown)).tolist()) == {-1}


def test_an_empty_table_finds_nothing() -> None:
    assert index_of([]).locate(bytes(16)).tolist() == [-1, -1]
    assert index_of([bytes(16)]).locate(b"").tolist() == []


@pytest.mark.parametrize("keys", [[bytes(16), bytes(8)], [bytes(4)], [b""]])
def test_keys_that_could_be_mistaken_for_others_are_refused(keys: list[bytes]) -> None:
    with pytest.raises(ValueError, match="one width"):
        index_of(keys)
