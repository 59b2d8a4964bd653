"""Assign users to variants by a hash of the experiment's name and the user's id. Nothing is stored."""

from collections.abc import Sequence
from hashlib import blake2b

_HASH_BYTES = 8
_HASHES = float(1 << 53)
# Tolerance for rounding, for shares that add up to 1.
_TOLERANCE = 1e-9


def position_of(experiment: str, user_id: str) -> float:
    """Return a number in [0, 1), uniform over users and independent between experiments."""
    digest = blake2b(f"{experiment}\0{user_id}".encode(), digest_size=_HASH_BYTES).digest()
    # A float has 53 bits: with more, the division could round up to 1.
    return (int.from_bytes(digest, "big") >> 11) / _HASHES


def variant_of(experiment: str, shares: Sequence[float], user_id: str) -> int | None:
    """Return the index of the user's variant, from 0; None if the user takes no part.

    Variants divide [0, 1) in their order, each as long as its share. So a variant that grows keeps its
    users and takes more from the next one, or, if it is the last, from users who took no part.

    Args:
        experiment: its name.
        shares: of the variants; their sum is at most 1.
        user_id: in the canonical form.
    """
    position, end = position_of(experiment, user_id), 0.0
    for idx, share in enumerate(shares):
        end += share
        if position < end or (end > 1.0 - _TOLERANCE and share > 0.0):
            return idx
    return None
