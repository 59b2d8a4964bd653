"""Signed tokens that state the team of an item in an interleaved list."""

import base64
import binascii
import hmac
import json
from collections.abc import Sequence
from typing import NamedTuple

# The first part of a token is the version of its format.
_FORM = "m1"
_DIGEST = "sha256"
_PARTS = 3


class Placement(NamedTuple):
    """An item in an interleaved list that was returned for a user.

    `team`: the variant that ranked it. `rank`: in the whole list, from 1. `given_at`: in seconds since 1970
    UTC.
    """

    experiment: str
    team: str
    user_id: str
    item_id: str
    rank: int
    given_at: int


class TokenSigner:
    """Signs placements (HMAC-SHA256, RFC 2104), and reads tokens signed with any of its keys.

    Args:
        keys: at least one. The first signs; keep a replaced key after it until its tokens are old.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys = [key.encode() for key in keys]

    def sign(self, placement: Placement) -> str:
        """Return the token of a placement: text that needs no escapes in JSON or URLs."""
        payload = f"{_FORM}.{_encode(json.dumps(placement, separators=(',', ':')).encode())}"
        return f"{payload}.{_encode(_mac(self._keys[0], payload))}"

    def read(self, token: str) -> Placement | None:
        """Return the placement of a token; None if it was altered or signed with another key."""
        parts = token.split(".")
        if len(parts) != _PARTS or parts[0] != _FORM or not token.isascii():
            return None
        payload, signature = token.rsplit(".", 1)
        if not any(hmac.compare_digest(_encode(_mac(key, payload)), signature) for key in self._keys):
            return None
        return _placement(parts[1])


def _mac(key: bytes, payload: str) -> bytes:
    return hmac.digest(key, payload.encode(), _DIGEST)


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _placement(encoded: str) -> Placement | None:
    try:
        padded = encoded + "=" * (-len(encoded) % 4)
        return Placement(*json.loads(base64.urlsafe_b64decode(padded)))
    except (binascii.Error, ValueError, TypeError):
        return None
