"""API keys: the service knows a name, scopes and a hash of each; the key itself only its holder has."""

import hashlib
import secrets
from collections.abc import Iterable
from hmac import compare_digest

from config.access_settings import ApiKey, Scope, parse_entry

# Scanners for leaked secrets look for something they can know a key by.
_KEY_PREFIX = "mq_"
_KEY_BYTES = 32


def make_key(name: str, scopes: Iterable[Scope]) -> tuple[str, ApiKey]:
    """A new random key, and its entry.

    Raises:
        ValueError: the name has other characters than letters, digits and `._-`, or there is no scope.
    """
    key = _KEY_PREFIX + secrets.token_urlsafe(_KEY_BYTES)
    return key, parse_entry(ApiKey(name, frozenset(scopes), _digest(key)).entry)


def find_key(keys: Iterable[ApiKey], presented: str) -> ApiKey | None:
    """The entry of the key presented. Takes as long whichever it is, and where it is none."""
    digest = _digest(presented)
    found = None
    for key in keys:
        if compare_digest(key.digest, digest):
            found = key
    return found


def _digest(key: str) -> bytes:
    # Nobody can guess 256 random bits, so a slow, salted hash would only make every request slower.
    return hashlib.sha256(key.encode()).digest()
