"""Interleave two rankings into one list by team draft.

Radlinski, Kurup, Joachims, "How does clickthrough data reflect retrieval quality?" (CIKM 2008).
"""

from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import NamedTuple

_BLOCK_BYTES = 64


class Drafted(NamedTuple):
    """An item of the list and its team: 0 for the first ranking, 1 for the second."""

    item: int
    team: int


def coins(seed: str) -> Iterator[int]:
    """Yield random bits, endlessly, the same for the same seed."""
    block = 0
    while True:
        digest = blake2b(f"{block}\0{seed}".encode(), digest_size=_BLOCK_BYTES).digest()
        for byte in digest:
            for bit in range(8):
                yield byte >> bit & 1
        block += 1


def team_draft(first: Sequence[int], second: Sequence[int], length: int, seed: str) -> list[Drafted]:
    """Return the first `length` items of the interleaved list.

    The team with fewer items picks next; a random bit breaks ties. A team picks the best item of its ranking
    that is not in the list yet. A longer list begins with the shorter one.

    Args:
        first, second: rankings, best first, without repeats; each has at least `length` items or is
            complete.
        length: of the list; less if both rankings end.
        seed: of the random bits.
    """
    rankings = (iter(first), iter(second))
    sizes = [0, 0]
    drafted: list[Drafted] = []
    listed: set[int] = set()
    flips = coins(seed)
    while len(drafted) < length:
        team = next(flips) if sizes[0] == sizes[1] else int(sizes[0] > sizes[1])
        item = _best_unlisted(rankings[team], listed)
        if item is None:
            team = 1 - team
            item = _best_unlisted(rankings[team], listed)
        if item is None:
            break
        drafted.append(Drafted(item, team))
        listed.add(item)
        sizes[team] += 1
    return drafted


def _best_unlisted(ranking: Iterator[int], listed: set[int]) -> int | None:
    """Return the next item that is not in the list; None at the end of the ranking."""
    return next((item for item in ranking if item not in listed), None)
