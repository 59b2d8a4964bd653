"""How often one caller may ask."""

import re
from ipaddress import IPv6Address, ip_address

from flask import Flask, Response, request
from flask_limiter import HeaderNames, Limiter
from limits.strategies import FixedWindowRateLimiter

from recommender.api.auth import is_open, known_key
from recommender.api.rate_windows import SteadyMemoryStorage

RATE_HEADERS = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "Retry-After")
_ITS_RETRY_AFTER = "X-RateLimit-Retry-After"
_REDIS_WAIT_S = 1
_IPV6_NETWORK_BITS = 64
# Some proxies add the port, which is another with each connection.
_WITH_PORT = re.compile(r"(?:\[(?P<six>[^]]+)]|(?P<four>[0-9.]+)):[0-9]+")


def register_rate_limit(app: Flask, rate: str, storage: str) -> None:
    """Answer 429 to a caller who asks more often than `rate`, whatever for; what is open is free.

    `storage` is where it is counted: `memory://`, or a Redis, without which it is counted in memory.
    """
    in_memory = storage.startswith("memory:")
    waits: dict[str, str | int] = {"socket_connect_timeout": _REDIS_WAIT_S, "socket_timeout": _REDIS_WAIT_S}
    limiter = _SteadyLimiter(
        _caller,
        application_limits=[rate],
        headers_enabled=True,
        # It would put its own over a 503's, and on every other answer too.
        header_name_mapping={HeaderNames.RETRY_AFTER: _ITS_RETRY_AFTER},
        storage_uri=f"{SteadyMemoryStorage.STORAGE_SCHEME[0]}://" if in_memory else storage,
        storage_options={} if in_memory else waits,
        in_memory_fallback_enabled=not in_memory,
        # Of itself it does not count requests for addresses that do not exist.
        request_identifier=lambda: request.endpoint or "none",
    )
    limiter.request_filter(is_open)
    # Functions after a request run last to first: this one after the limiter's.
    app.after_request(_retry_after_when_refused)
    limiter.init_app(app)


class _SteadyLimiter(Limiter):
    """Counts by a steady clock also while it counts in memory for a Redis that does not answer."""

    def init_app(self, app: Flask) -> None:
        super().init_app(app)
        if self._fallback_limiter is not None:
            self._fallback_storage = SteadyMemoryStorage()
            self._fallback_limiter = FixedWindowRateLimiter(self._fallback_storage)


def _caller() -> str:
    """Whom a request is counted for: its key, if it is a known one, or else its address."""
    key = known_key()
    return f"address {_network(request.remote_addr or 'unknown')}" if key is None else f"key {key.name}"


def _network(address: str) -> str:
    """Who has one IPv6 address has all 2^64 of its network."""
    with_port = _WITH_PORT.fullmatch(address)
    if with_port is not None:
        address = with_port["six"] or with_port["four"]
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    host_bits = parsed.max_prefixlen - _IPV6_NETWORK_BITS
    return str(IPv6Address(int(parsed) >> host_bits << host_bits))


def _retry_after_when_refused(response: Response) -> Response:
    """What the limiter says with every answer; it rounds the last second down to 0."""
    after = response.headers.pop(_ITS_RETRY_AFTER, None)
    if response.status_code == 429 and after is not None:  # noqa: PLR2004 - Too Many Requests
        response.headers["Retry-After"] = str(max(1, int(after)))
    return response
