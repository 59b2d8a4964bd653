"""Who may ask for what: API keys and their scopes."""

from collections.abc import Sequence

from flask import g, request
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Forbidden, Unauthorized

from config.access_settings import ApiKey, Scope
from recommender.auth_keys import find_key

# What holds no data; of the explorer its page, its files, and covers of whatever is asked for.
_OPEN_PATHS = frozenset(
    {
        "/",
        "/docs",
        "/docs/<name>",
        "/explorer",
        "/explorer/covers/<media_id>.svg",
        "/explorer/static/<path:name>",
        "/health",
        "/openapi.json",
        "/ready",
    }
)
_OPS_PATHS = frozenset({"/metrics"})


class Authenticator:
    """Identify callers by their keys, and reject those who may not ask. Without keys all may."""

    def __init__(self, keys: Sequence[ApiKey]) -> None:
        self._keys = keys

    def authenticate(self) -> None:
        """Note whose key the request carries, for `known_key`; refuses nobody yet."""
        presented = _presented_key()
        g.api_key = None if presented is None else find_key(self._keys, presented)

    def authorize(self) -> None:
        """Let the request pass.

        Raises:
            Unauthorized: it has no key, or one that is not known.
            Forbidden: its key's scopes do not allow this.
        """
        if not self._keys or is_open():
            return
        key = known_key()
        if key is None:
            raise Unauthorized(www_authenticate=WWWAuthenticate("bearer", {"realm": "marquee"}))
        if _needed_scope() not in key.scopes:
            raise Forbidden


def is_open() -> bool:
    """Whether the request needs no key and has no rate limit."""
    # A browser asks by OPTIONS, and without a key, whether it may send one.
    return request.method == "OPTIONS" or _rule() in _OPEN_PATHS


def known_key() -> ApiKey | None:
    """The key that the request carries, if it is one of ours."""
    key: ApiKey | None = g.api_key
    return key


def _needed_scope() -> Scope:
    # What is added one day and forgotten here is not open.
    return Scope.OPS if _rule() in _OPS_PATHS else Scope.READ


def _rule() -> str:
    # The rule that matched rather than the path: there is one spelling of it.
    return request.url_rule.rule if request.url_rule is not None else ""


def _presented_key() -> str | None:
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return credentials.strip()
    return request.headers.get("X-API-Key")
