"""Who may call the API, how often, and from which pages."""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from importlib import import_module
from importlib.util import find_spec
from ipaddress import IPv6Address
from typing import Annotated
from urllib.parse import urlsplit

import limits
from pydantic import BeforeValidator, Field, field_validator

from config.setting_types import SettingsGroup, TextList, how_to_install, split_commas

_ENTRY = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]{0,63}):(?P<scopes>[a-z]+(?:\+[a-z]+)*):(?P<digest>[0-9a-f]{64})"
)
_HOST = re.compile(r"[a-z0-9._-]+", re.IGNORECASE | re.ASCII)
ANY_ORIGIN = "*"
_ORIGIN = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9._-]+|\[[0-9a-f:.]+])(?::(?P<port>[0-9]{1,5}))?",
    re.IGNORECASE | re.ASCII,
)
_LARGEST_PORT = 65535
_DEFAULT_PORTS = {"http": 80, "https": 443}


class KeyScope(StrEnum):
    """What a key gives access to."""

    READ = "read"
    OPS = "ops"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One entry of API_KEYS. Entries of one name share a rate limit, so that a key can be replaced."""

    name: str
    scopes: frozenset[KeyScope]
    digest: bytes = field(repr=False)

    @property
    def entry(self) -> str:
        """The entry as API_KEYS holds it: `name:scopes:hash`."""
        return f"{self.name}:{'+'.join(sorted(self.scopes))}:{self.digest.hex()}"


def parse_entry(text: str) -> ApiKey:
    """Parse an entry of API_KEYS.

    Raises:
        ValueError: the form is wrong. The message omits the entry, which may hold a key by mistake.
    """
    match = _ENTRY.fullmatch(text)
    scopes = set(match["scopes"].split("+")) if match else set()
    if match is None or not scopes <= set(KeyScope):
        raise ValueError("an entry is not of the form name:scopes:hash, as make-key prints it")
    return ApiKey(match["name"], frozenset(map(KeyScope, scopes)), bytes.fromhex(match["digest"]))


def _parse_keys(value: object) -> object:
    entries = split_commas(value)
    return tuple(map(parse_entry, entries)) if isinstance(entries, tuple) else value


class AccessSettings(SettingsGroup):
    """API keys, rate limits, host names, CORS and trusted proxies.

    `allowed_hosts`: the names in Host headers, as `urlsplit` returns them; empty for the default check.
    """

    api_keys: Annotated[tuple[ApiKey, ...], BeforeValidator(_parse_keys)] = ()
    allow_anonymous: bool = False
    allowed_hosts: TextList = ()
    rate_limit: str | None = None
    # The URL may hold a password.
    rate_limit_storage: str = Field(default="memory://", repr=False)
    cors_origins: TextList = ()
    trusted_proxies: int = Field(default=0, ge=0, le=10)

    @field_validator("api_keys")
    @classmethod
    def _keys_are_distinct(cls, value: tuple[ApiKey, ...]) -> tuple[ApiKey, ...]:
        if len({key.digest for key in value}) < len(value):
            raise ValueError("two entries have the same key")
        return value

    @field_validator("allowed_hosts")
    @classmethod
    def _are_hosts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(_as_in_host_headers, value))

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(_as_browsers_send_it, value))

    @field_validator("rate_limit")
    @classmethod
    def _is_rate(cls, value: str | None) -> str | None:
        try:
            positive = value is None or all(rate.amount > 0 for rate in limits.parse_many(value))
        except ValueError:
            positive = False
        if not positive:
            raise ValueError("not of the form 600/minute, or 20/second;600/minute for both")
        return value

    @field_validator("rate_limit_storage")
    @classmethod
    def _is_storage(cls, value: str) -> str:
        if value == "memory://":
            return value
        if not value.startswith(("redis://", "rediss://")) or not _names_redis(value):
            raise ValueError(
                "not memory://, nor of the form redis://:password@host:port/number "
                "(with characters such as @ and / in the password percent-encoded)"
            )
        if find_spec("redis") is None:
            raise ValueError(f"the Redis client is not installed: {how_to_install('redis')}")
        return value


def _as_in_host_headers(host: str) -> str:
    """Return a host name or address in lower case, without brackets.

    Raises:
        ValueError: it is neither.
    """
    if _HOST.fullmatch(host):
        return host.lower()
    try:
        return str(IPv6Address(host.removeprefix("[").removesuffix("]")))
    except ValueError:
        raise ValueError(f"{host} is not a host name or address without a port") from None


def _as_browsers_send_it(origin: str) -> str:
    """Return an origin in the one spelling that browsers send: lower case, and no default port.

    Raises:
        ValueError: browsers cannot send it.
    """
    if origin == ANY_ORIGIN:
        return origin
    found = _ORIGIN.fullmatch(origin)
    if found is None or int(found["port"] or 0) > _LARGEST_PORT:
        raise ValueError(
            f"{origin} is not of the form https://host or https://host:port (letters such as ü as xn--…)"
        )
    scheme, host = found["scheme"].lower(), found["host"].lower()
    if host.startswith("["):
        try:
            host = f"[{IPv6Address(host[1:-1])}]"
        except ValueError:
            raise ValueError(f"{origin} has no valid IPv6 address") from None
    port = found["port"]
    return f"{scheme}://{host}" + (f":{int(port)}" if port and int(port) != _DEFAULT_PORTS[scheme] else "")


def _names_redis(url: str) -> bool:
    """Return whether the Redis client can read the URL, and no part of a password ends up elsewhere.

    Errors are not passed on: their messages may quote the URL, including the password.
    """
    try:
        parts = urlsplit(url)
        # Without an address, Redis is on this host.
        has_address = bool(parts.hostname) or not parts.netloc
        if find_spec("redis") is not None:
            import_module("redis.connection").parse_url(url)
    except ValueError:
        return False
    return has_address and "@" not in f"{parts.path}{parts.query}{parts.fragment}"
