"""Limits the request rate of each caller."""

import re
from ipaddress import IPv6Address, ip_address

from flask import Flask, Response, request
from flask_limiter import HeaderNames, Limiter, RequestLimit
from limits.strategies import FixedWindowRateLimiter

from recommender.api.auth import is_open, known_key
from recommender.api.rate_windows import SteadyMemoryStorage

RATE_HEADERS = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "Retry-After")
_LIMITER_RETRY_AFTER = "X-RateLimit-Retry-After"
_REDIS_WAIT_S = 1
_IPV6_NETWORK_BITS = 64
# Some proxies add the port, which differs for each connection.
_WITH_PORT = re.compile(r"(?:\[(?P<six>[^]]+)]|(?P<four>[0-9.]+)):[0-9]+")


def register_rate_limit(app: Flask, rate: str, storage: str) -> None:
    """Answer 429 to a caller whose requests exceed `rate`. Open routes are not counted.

    `storage`: `memory://`, or a Redis. While Redis does not answer, requests are counted in memory.
    """
    in_memory = storage.startswith("memory:")
    waits: dict[str, str | int] = {"socket_connect_timeout": _REDIS_WAIT_S, "socket_timeout": _REDIS_WAIT_S}
    limiter = _SteadyLimiter(
        _caller,
        application_limits=[rate],
        headers_enabled=True,
        # Retry-After itself would be set on all answers, and replace that of a 503.
        header_name_mapping={HeaderNames.RETRY_AFTER: _LIMITER_RETRY_AFTER},
        storage_uri=f"{SteadyMemoryStorage.STORAGE_SCHEME[0]}://" if in_memory else storage,
        storage_options={} if in_memory else waits,
        in_memory_fallback_enabled=not in_memory,
        # By default, requests for unknown addresses are not counted.
        request_identifier=lambda: request.endpoint or "none",
    )
    limiter.request_filter(is_open)
    # Flask runs these functions last to first: this one after the limiter's.
    app.after_request(_retry_after_when_refused)
    limiter.init_app(app)


class _SteadyLimiter(Limiter):
    """A limiter that reports the rate with the fewest requests left.

    Its fallback for Redis counts by a steady clock too.
    """

    def init_app(self, app: Flask) -> None:
        super().init_app(app)
        if self._fallback_limiter is not None:
            storage = SteadyMemoryStorage()
            self._fallback_storage = storage  # type: ignore[assignment] # any storage can be used
            self._fallback_limiter = FixedWindowRateLimiter(storage)

    @property
    def current_limit(self) -> RequestLimit | None:
        """Return the exceeded rate, else that with the fewest requests left; the headers show it."""
        reported = super().current_limit
        if reported is None or reported.breached or len(self.current_limits) == 1:
            return reported
        try:
            return min(self.current_limits, key=lambda limit: limit.remaining)
        except self._storage.base_exceptions:  # type: ignore[union-attr] # set by init_app
            # The library asks the reported one next, and then counts in memory.
            return reported


def _caller() -> str:
    """Return what to count a request for: its known key, else its address."""
    key = known_key()
    return f"address {_network(request.remote_addr or 'unknown')}" if key is None else f"key {key.name}"


def _network(address: str) -> str:
    """Return the address, or the /64 network of an IPv6 address: one host can use all of it."""
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
    """Set Retry-After on a 429, at least 1: the limiter rounds the last second down to 0."""
    after = response.headers.pop(_LIMITER_RETRY_AFTER, None)
    if response.status_code == 429 and after is not None:  # noqa: PLR2004 - Too Many Requests
        response.headers["Retry-After"] = str(max(1, int(after)))
    return response
