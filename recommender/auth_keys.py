"""API keys. The service stores name, scopes and a hash of each key, not the key."""

import hashlib
import secrets
from collections.abc import Iterable
from hmac import compare_digest

from config.access_settings import ApiKey, KeyScope, parse_entry

# Scanners for leaked secrets recognize keys by a prefix.
_KEY_PREFIX = "mq_"
_KEY_BYTES = 32


def make_key(name: str, scopes: Iterable[KeyScope]) -> tuple[str, ApiKey]:
    """Make a random key; return it and its entry.

    Raises:
        ValueError: the name has characters other than letters, digits and `._-`, or there is no scope.
    """
    key = _KEY_PREFIX + secrets.token_urlsafe(_KEY_BYTES)
    return key, parse_entry(ApiKey(name, frozenset(scopes), _digest(key)).entry)


def find_key(keys: Iterable[ApiKey], presented: str) -> ApiKey | None:
    """Return the entry of the presented key, in constant time; None if it is unknown."""
    digest = _digest(presented)
    found = None
    for key in keys:
        if compare_digest(key.digest, digest):
            found = key
    return found


def _digest(key: str) -> bytes:
    # 256 random bits cannot be guessed, so a slow, salted hash would add nothing but time.
    return hashlib.sha256(key.encode()).digest()
