"""Which variant of an experiment a user is in: it follows from the two names alone, and is kept nowhere."""

from collections.abc import Sequence
from hashlib import blake2b

_HASH_BYTES = 8
_HASHES = float(1 << 53)
# Rounding of shares that add up to 1.
_TOLERANCE = 1e-9


def position_of(experiment: str, user_id: str) -> float:
    """Return a number in [0, 1) that is uniform over users and independent from experiment to experiment."""
    digest = blake2b(f"{experiment}\0{user_id}".encode(), digest_size=_HASH_BYTES).digest()
    # The 53 bits that a float has room for: with more, the division could round up to 1.
    return (int.from_bytes(digest, "big") >> 11) / _HASHES


def variant_of(experiment: str, shares: Sequence[float], user_id: str) -> int | None:
    """Return the number of the user's variant, from 0; None where the user takes no part.

    Variants lie in their order on [0, 1), each as long as its share. One that grows therefore keeps its
    users; it takes from the next in the order, and the last one only from the users who took no part.

    Args:
        experiment: its name.
        shares: of the variants, which add up to 1 at most.
        user_id: in the form that the databases have.
    """
    position, end = position_of(experiment, user_id), 0.0
    for number, share in enumerate(shares):
        end += share
        if position < end or (end > 1.0 - _TOLERANCE and share > 0.0):
            return number
    return None
