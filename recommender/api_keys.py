"""API keys: the service knows a name, scopes and a hash of each; the key itself only its holder has."""

import hashlib
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from hmac import compare_digest

_ENTRY = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]{0,63}):(?P<scopes>[a-z]+(?:\+[a-z]+)*):(?P<digest>[0-9a-f]{64})"
)
# Scanners for leaked secrets look for something they can know a key by.
_KEY_PREFIX = "mq_"
_KEY_BYTES = 32


class Scope(StrEnum):
    """What a key may be used for."""

    READ = "read"
    OPS = "ops"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One entry of API_KEYS. Two of the same name share a rate limit, so that a key can be replaced."""

    name: str
    scopes: frozenset[Scope]
    digest: bytes = field(repr=False)

    @property
    def entry(self) -> str:
        """The form `name:scopes:hash` that API_KEYS holds."""
        return f"{self.name}:{'+'.join(sorted(self.scopes))}:{self.digest.hex()}"


def parse_entry(text: str) -> ApiKey:
    """The key that an entry of API_KEYS stands for.

    Raises:
        ValueError: it is not of the form; the message does not show it, as it may be a key.
    """
    match = _ENTRY.fullmatch(text)
    scopes = set(match["scopes"].split("+")) if match else set()
    if match is None or not scopes <= set(Scope):
        raise ValueError("an entry is not of the form name:scopes:hash, as make-key prints it")
    return ApiKey(match["name"], frozenset(map(Scope, scopes)), bytes.fromhex(match["digest"]))


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
