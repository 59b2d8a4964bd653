"""Ids as arrays, which processes share: texts by position, and positions by text without a dictionary.

The kernels run without the interpreter's lock, so that a large table holds no other thread up.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import overload

import numpy as np
from numpy.typing import NDArray

from recommender.system.compiled import compiled, compiled_or, read_only
from recommender.texts import id_arrays

# Compiled code takes them as constants of 64 bits.
_OFFSET_BASIS, _PRIME = np.uint64(id_arrays.OFFSET_BASIS), np.uint64(id_arrays.PRIME)
_MIX, _SHIFT = np.uint64(id_arrays.MIX), np.uint64(id_arrays.SHIFT)
_ONE = np.uint64(1)
_NONE = -1
# Ids that are very different in length are sorted one by one.
_MOST_PADDED_BYTES = 1 << 28


class IdTexts(Sequence[str]):
    """Texts, one after the other in UTF-8: text i is content[starts[i]:starts[i + 1]]. Immutable."""

    def __init__(self, starts: NDArray[np.int64], content: NDArray[np.uint8]) -> None:
        """Take over arrays, as views that cannot be written to: kernels are compiled for these.

        Args:
            starts: shape (texts + 1,).
            content: uint8.
        """
        self.starts = read_only(starts)
        self.content = read_only(content)
        self._bytes = self.content.data
        self._bounds = self.starts.data

    @classmethod
    def of(cls, texts: Iterable[str]) -> "IdTexts":
        """Return texts as arrays."""
        return cls(*_as_arrays(texts if isinstance(texts, Sequence) else list(texts)))

    @classmethod
    def of_byte_strings(cls, texts: NDArray[np.bytes_]) -> "IdTexts":
        """Return byte strings of one width as texts; without a copy where all have that width."""
        width = texts.dtype.itemsize
        lengths = np.strings.str_len(texts).astype(np.int64)
        content = np.frombuffer(np.ascontiguousarray(texts), dtype=np.uint8)
        starts = np.zeros(len(texts) + 1, dtype=np.int64)
        if (lengths == width).all():
            np.cumsum(lengths, out=starts[1:])
            return cls(starts, content)
        np.cumsum(lengths, out=starts[1:])
        kept = np.arange(width)[None, :] < lengths[:, None]
        return cls(starts, content[kept.ravel()])

    @classmethod
    def joined(cls, parts: Sequence["IdTexts"]) -> "IdTexts":
        """Return all texts of some parts, one part after the other."""
        lengths = np.concatenate([np.zeros(1, dtype=np.int64), *(np.diff(part.starts) for part in parts)])
        content = [part.content[: part.starts[-1]] for part in parts]
        return cls(lengths.cumsum(), np.concatenate([np.empty(0, dtype=np.uint8), *content]))

    def __len__(self) -> int:
        return len(self._bounds) - 1

    @overload
    def __getitem__(self, position: int) -> str: ...

    @overload
    def __getitem__(self, position: slice) -> list[str]: ...

    def __getitem__(self, position: int | slice) -> str | list[str]:
        if isinstance(position, slice):
            return self.texts_at(range(*position.indices(len(self))))
        if position < 0:
            position += len(self)
        if position < 0:
            raise IndexError(position)
        return self._text(position)

    def __iter__(self) -> Iterator[str]:
        return map(self._text, range(len(self)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]  # as of a list

    def _text(self, position: int) -> str:
        bounds = self._bounds
        return str(self._bytes[bounds[position] : bounds[position + 1]], "utf-8", "surrogatepass")

    def texts_at(self, positions: Iterable[int]) -> list[str]:
        """Return the texts at some positions, from 0, in their order."""
        bounds, content = self._bounds, self._bytes
        return [str(content[bounds[i] : bounds[i + 1]], "utf-8", "surrogatepass") for i in positions]

    def first(self, count: int) -> "IdTexts":
        """Return the first `count` texts, without a copy."""
        return IdTexts(self.starts[: count + 1], self.content)

    def take(self, positions: NDArray[np.intp]) -> "IdTexts":
        """Return the texts at some positions, in their order."""
        lengths = np.diff(self.starts)[positions]
        starts = np.zeros(len(positions) + 1, dtype=np.int64)
        np.cumsum(lengths, out=starts[1:])
        content = np.empty(int(starts[-1]), dtype=np.uint8)
        copy_texts(self.starts, self.content, positions.astype(np.int64), starts, content)
        return IdTexts(starts, content)

    def ended_by_zeros(self) -> NDArray[np.uint8]:
        """Return the bytes of all texts, with a zero after each."""
        content = np.zeros(int(self.starts[-1]) + len(self), dtype=np.uint8)
        end_by_zeros(self.starts, self.content, content)
        return content

    def order(self) -> NDArray[np.intp]:
        """Return the positions in the order of the texts, which is that of their UTF-8."""
        lengths = np.diff(self.starts)
        width = int(lengths.max(initial=1)) or 1
        if width * len(self) > _MOST_PADDED_BYTES:
            return np.array(sorted(range(len(self)), key=list(self).__getitem__), dtype=np.intp)
        padded = np.zeros((len(self), width), dtype=np.uint8)
        pad_texts(self.starts, self.content, padded)
        return np.argsort(padded.view(f"S{width}").ravel(), kind="stable")

    def hashes(self, secret: int) -> NDArray[np.uint64]:
        """Return a number of 64 bits for each text, which depends on a secret; shape (texts,)."""
        found = np.empty(len(self), dtype=np.uint64)
        hash_texts(self.starts, self.content, np.uint64(secret), found)
        return found


class IdTable:
    """Positions by text. Of equal texts, the last position is found."""

    def __init__(self, texts: IdTexts, slots: NDArray[np.int32] | None = None) -> None:
        """Index texts.

        Args:
            texts: by position.
            slots: of an earlier table of the same texts; None to compute them.
        """
        self.texts = texts
        if slots is None:
            # Half of the slots stay empty, so that few texts are compared with each other.
            slots = np.full(1 << (2 * len(texts) + 1).bit_length(), _NONE, dtype=np.int32)
            fill_slots(texts.starts, texts.content, slots)
        self.slots = read_only(slots)
        self._arrays = texts.starts, texts.content, self.slots

    def __len__(self) -> int:
        return len(self.texts)

    def locate(self, texts: IdTexts | Sequence[str]) -> NDArray[np.intp]:
        """Return the position of each text, -1 for those that are not there; same length."""
        if isinstance(texts, IdTexts):
            starts, content = texts.starts, texts.content
        else:
            starts, content = _as_arrays(texts)
        found = np.empty(len(starts) - 1, dtype=np.intp)
        find_texts(self._arrays, starts, content, found)
        return found


def warm_up() -> None:
    """Compile the kernels, which takes a second where they are not cached."""
    table = IdTable(IdTexts.of(["a", "b"]))
    table.locate(["a"])
    table.texts.take(table.texts.order())
    table.texts.hashes(0)
    table.texts.ended_by_zeros()


def _as_arrays(texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Return `starts` and `content` of texts."""
    content = "".join(texts).encode("utf-8", "surrogatepass")
    lengths: Iterable[int] = map(len, texts)
    if not content.isascii():
        # JSON may hold lone surrogates, too, which stand for no id.
        lengths = [len(text.encode("utf-8", "surrogatepass")) for text in texts]
    starts = np.fromiter(chain((0,), lengths), dtype=np.int64, count=len(texts) + 1).cumsum()
    starts.flags.writeable = False
    return starts, np.frombuffer(content, dtype=np.uint8)


@compiled
def hash_text(content: NDArray[np.uint8], start: int, end: int, seed: np.uint64) -> np.uint64:
    """Return the hash of one text."""
    value = _OFFSET_BASIS ^ seed
    for place in range(start, end):
        value = (value ^ np.uint64(content[place])) * _PRIME
    # Slots are chosen by the last bits, but only the first ones depend on the whole text: mix them in.
    value = (value ^ (value >> _SHIFT)) * _MIX
    return value ^ (value >> _SHIFT)


@compiled_or(id_arrays.fill_slots)
def fill_slots(starts: NDArray[np.int64], content: NDArray[np.uint8], slots: NDArray[np.int32]) -> None:
    """Write each text's index into the first free slot from its hash on; `slots`: 2^n elements, all -1."""
    last = np.uint64(slots.size - 1)
    for reverse in range(starts.size - 1):
        # From the last one on: of equal texts, the one entered first is found.
        text = starts.size - 2 - reverse
        slot = hash_text(content, starts[text], starts[text + 1], np.uint64(0)) & last
        while slots[slot] >= 0:
            slot = (slot + _ONE) & last
        slots[slot] = text


@compiled_or(id_arrays.find_texts)
def find_texts(
    table: tuple[NDArray[np.int64], NDArray[np.uint8], NDArray[np.int32]],
    wanted_starts: NDArray[np.int64],
    wanted: NDArray[np.uint8],
    found: NDArray[np.intp],
) -> None:
    """Write the position of each wanted text in a table (starts, content and slots), or -1."""
    starts, content, slots = table
    last = np.uint64(slots.size - 1)
    for number in range(found.size):
        begin, end = wanted_starts[number], wanted_starts[number + 1]
        slot = hash_text(wanted, begin, end, np.uint64(0)) & last
        position = np.int64(slots[slot])
        while position >= 0:
            own = starts[position]
            if starts[position + 1] - own == end - begin:
                place = np.int64(0)
                while place < end - begin and content[own + place] == wanted[begin + place]:
                    place += 1
                if place == end - begin:
                    break
            slot = (slot + _ONE) & last
            position = np.int64(slots[slot])
        found[number] = position


@compiled_or(id_arrays.copy_texts)
def copy_texts(
    starts: NDArray[np.int64],
    content: NDArray[np.uint8],
    positions: NDArray[np.int64],
    new_starts: NDArray[np.int64],
    new_content: NDArray[np.uint8],
) -> None:
    """Write the texts at some positions one after the other."""
    for number in range(positions.size):
        begin = starts[positions[number]]
        for place in range(new_starts[number + 1] - new_starts[number]):
            new_content[new_starts[number] + place] = content[begin + place]


@compiled_or(id_arrays.pad_texts)
def pad_texts(starts: NDArray[np.int64], content: NDArray[np.uint8], padded: NDArray[np.uint8]) -> None:
    """Write each text to the beginning of its row; shape (texts, width)."""
    for text in range(padded.shape[0]):
        for place in range(starts[text + 1] - starts[text]):
            padded[text, place] = content[starts[text] + place]


@compiled_or(id_arrays.end_by_zeros)
def end_by_zeros(starts: NDArray[np.int64], content: NDArray[np.uint8], ended: NDArray[np.uint8]) -> None:
    """Write each text, and leave a byte after it."""
    for text in range(starts.size - 1):
        for place in range(starts[text], starts[text + 1]):
            ended[place + text] = content[place]


@compiled_or(id_arrays.hash_texts)
def hash_texts(
    starts: NDArray[np.int64], content: NDArray[np.uint8], secret: np.uint64, hashes: NDArray[np.uint64]
) -> None:
    """Write the hash of each text."""
    for text in range(hashes.size):
        hashes[text] = hash_text(content, starts[text], starts[text + 1], secret)
