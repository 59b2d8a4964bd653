"""API keys: the service stores a name, scopes and a hash of each; only the client has the key."""

import hashlib
import secrets
from collections.abc import Iterable
from hmac import compare_digest

from config.access_settings import ApiKey, Scope, parse_entry

# A prefix by which scanners for leaked secrets recognize a key.
_KEY_PREFIX = "mq_"
_KEY_BYTES = 32


def make_key(name: str, scopes: Iterable[Scope]) -> tuple[str, ApiKey]:
    """Return a new random key, and its entry.

    Raises:
        ValueError: the name has other characters than letters, digits and `._-`, or there is no scope.
    """
    key = _KEY_PREFIX + secrets.token_urlsafe(_KEY_BYTES)
    return key, parse_entry(ApiKey(name, frozenset(scopes), _digest(key)).entry)


def find_key(keys: Iterable[ApiKey], presented: str) -> ApiKey | None:
    """Return the entry of a key, None if there is none, in constant time."""
    digest = _digest(presented)
    found = None
    for key in keys:
        if compare_digest(key.digest, digest):
            found = key
    return found


def _digest(key: str) -> bytes:
    # 256 random bits cannot be guessed, so a slow, salted hash would only slow down every request.
    return hashlib.sha256(key.encode()).digest()
