"""Encodes a ranking in few characters, so that a request line can carry that of the longest page."""

from base64 import urlsafe_b64encode
from collections.abc import Iterable
from hashlib import blake2b

# 36 bits: of two rankings of a thousand items each, two items have the same key once in 70,000 times.
_CHARACTERS = 6


def key_of(item_id: str) -> str:
    """Return an item's key in a ranking as text: characters that need no escaping in an address."""
    digest = blake2b(item_id.encode(errors="surrogatepass"), digest_size=_CHARACTERS).digest()
    return urlsafe_b64encode(digest).decode()[:_CHARACTERS]


def encode_ranking(item_ids: Iterable[str]) -> str:
    """Return a ranking, best first, as a text."""
    return "".join(map(key_of, item_ids))


def decode_ranks(baseline: str) -> dict[str, int]:
    """Return the rank, from 1, of each key in a text that `encode_ranking` returned."""
    starts = range(0, len(baseline), _CHARACTERS)
    return {baseline[start : start + _CHARACTERS]: rank for rank, start in enumerate(starts, start=1)}
