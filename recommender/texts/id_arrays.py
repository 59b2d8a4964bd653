"""The compiled loops of `id_table` in numpy, for systems without numba. Results are the same."""

import numpy as np
from numpy.typing import NDArray

# FNV-1a, 64 bits, and how its result is mixed.
OFFSET_BASIS, PRIME = 0xCBF29CE484222325, 0x100000001B3
MIX, SHIFT = 0x9E3779B97F4A7C15, 29
_64_BITS = (1 << 64) - 1
# Up to this many texts, Python integers are faster than numpy.
_FEW_TEXTS = 32


def hash_texts(
    starts: NDArray[np.int64], content: NDArray[np.uint8], secret: np.uint64, hashes: NDArray[np.uint64]
) -> None:
    """Write the hash of each text."""
    if hashes.size <= _FEW_TEXTS:
        for text in range(hashes.size):
            hashes[text] = _hash_one(content[starts[text] : starts[text + 1]].tobytes(), int(secret))
        return
    lengths = np.diff(starts)
    longest_first = np.argsort(-lengths, kind="stable")
    begins = starts[:-1][longest_first]
    # How many of the texts, sorted by length, have a byte at each offset.
    counts = lengths.size - np.searchsorted(np.sort(lengths), np.arange(int(lengths.max())), side="right")
    values = np.full(hashes.size, OFFSET_BASIS ^ int(secret), dtype=np.uint64)
    prime, shift = np.uint64(PRIME), np.uint64(SHIFT)
    for offset, count in enumerate(counts):
        values[:count] = (values[:count] ^ content[begins[:count] + offset]) * prime
    values = (values ^ (values >> shift)) * np.uint64(MIX)
    hashes[longest_first] = values ^ (values >> shift)


def _hash_one(text: bytes, secret: int) -> int:
    value = OFFSET_BASIS ^ secret
    for byte in text:
        value = ((value ^ byte) * PRIME) & _64_BITS
    value = ((value ^ (value >> SHIFT)) * MIX) & _64_BITS
    return value ^ (value >> SHIFT)


def fill_slots(starts: NDArray[np.int64], content: NDArray[np.uint8], slots: NDArray[np.int32]) -> None:
    """Write each text's index into the first free slot from its hash on; `slots`: 2^n elements, all -1."""
    texts = np.arange(starts.size - 1)
    wanted = _first_slots(starts, content, slots.size)
    while texts.size:
        free = slots[wanted] < 0
        # In ascending order: the last text with the same slot gets it, so that the last one of equal texts is
        # found first.
        slots[wanted[free]] = texts[free]
        waiting = slots[wanted] != texts
        texts, wanted = texts[waiting], (wanted[waiting] + 1) & (slots.size - 1)


def find_texts(
    table: tuple[NDArray[np.int64], NDArray[np.uint8], NDArray[np.int32]],
    wanted_starts: NDArray[np.int64],
    wanted: NDArray[np.uint8],
    found: NDArray[np.intp],
) -> None:
    """Write the index of each wanted text in a table (starts, content and slots), or -1."""
    starts, content, slots = table
    numbers = np.arange(found.size)
    slot = _first_slots(wanted_starts, wanted, slots.size)
    found[:] = -1
    while numbers.size:
        positions = slots[slot].astype(np.int64)
        taken = positions >= 0
        numbers, slot, positions = numbers[taken], slot[taken], positions[taken]
        equal = _are_equal((starts, content, positions), (wanted_starts, wanted, numbers))
        found[numbers[equal]] = positions[equal]
        numbers, slot = numbers[~equal], (slot[~equal] + 1) & (slots.size - 1)


Texts = tuple[NDArray[np.int64], NDArray[np.uint8], NDArray[np.int64]]


def _are_equal(these: Texts, those: Texts) -> NDArray[np.bool_]:
    """Return a mask of equal texts; each side is `starts`, `content` and the indices of the texts."""
    (starts, content, positions), (other_starts, other_content, numbers) = these, those
    lengths = starts[positions + 1] - starts[positions]
    equal: NDArray[np.bool_] = lengths == other_starts[numbers + 1] - other_starts[numbers]
    lengths = np.where(equal, lengths, 0)
    differing = (
        content[_places(starts[positions], lengths)] != other_content[_places(other_starts[numbers], lengths)]
    )
    texts = np.repeat(np.arange(lengths.size), lengths)
    equal[texts[differing]] = False
    return equal


def copy_texts(
    starts: NDArray[np.int64],
    content: NDArray[np.uint8],
    positions: NDArray[np.int64],
    new_starts: NDArray[np.int64],
    new_content: NDArray[np.uint8],
) -> None:
    """Write the texts with some indices, concatenated."""
    new_content[:] = content[_places(starts[positions], np.diff(new_starts))]


def pad_texts(starts: NDArray[np.int64], content: NDArray[np.uint8], padded: NDArray[np.uint8]) -> None:
    """Write each text to the beginning of its row; shape (texts, width)."""
    lengths = np.diff(starts)
    rows = np.arange(lengths.size) * padded.shape[1]
    padded.reshape(-1)[_places(rows, lengths)] = content[_places(starts[:-1], lengths)]


def end_by_zeros(starts: NDArray[np.int64], content: NDArray[np.uint8], ended: NDArray[np.uint8]) -> None:
    """Write each text, followed by a zero byte."""
    lengths = np.diff(starts)
    ended[_places(starts[:-1] + np.arange(lengths.size), lengths)] = content[_places(starts[:-1], lengths)]


def _first_slots(starts: NDArray[np.int64], content: NDArray[np.uint8], slots: int) -> NDArray[np.int64]:
    """Return the slot where the search for each text begins."""
    hashes = np.empty(starts.size - 1, dtype=np.uint64)
    hash_texts(starts, content, np.uint64(0), hashes)
    return (hashes & np.uint64(slots - 1)).astype(np.int64)


def _places(begins: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the concatenated ranges of `lengths` numbers from each of `begins` on."""
    before = np.cumsum(lengths) - lengths
    return np.repeat(begins - before, lengths) + np.arange(int(lengths.sum()))
