"""API keys and their scopes: who may ask for what."""

from collections.abc import Sequence

from flask import current_app, g, request
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Forbidden, Unauthorized

from config.access_settings import ApiKey, Scope
from recommender.api.endpoints import needed_scope
from recommender.auth_keys import find_key


class KeyAuth:
    """Knows callers by their keys, and rejects those who may not ask. Without keys it admits all."""

    def __init__(self, keys: Sequence[ApiKey]) -> None:
        self._keys = keys

    def authenticate(self) -> None:
        """Note whose key the request carries, for `known_key`; rejects nothing yet."""
        presented = _presented_key()
        g.api_key = None if presented is None else find_key(self._keys, presented)

    def authorize(self) -> None:
        """Let the request pass.

        Raises:
            Unauthorized: it has no key, or one that is not known.
            Forbidden: its key does not have the scope that the route needs.
        """
        needed = _scope_of_request()
        if not self._keys or needed is None:
            return
        key = known_key()
        if key is None:
            raise Unauthorized(www_authenticate=WWWAuthenticate("bearer", {"realm": "marquee"}))
        if needed not in key.scopes:
            raise Forbidden


def is_open() -> bool:
    """Whether the request needs no key and has no rate limit."""
    return _scope_of_request() is None


def known_key() -> ApiKey | None:
    """The key that the request carries, if it is one of ours."""
    key: ApiKey | None = g.api_key
    return key


def _scope_of_request() -> Scope | None:
    # A browser asks by OPTIONS, and without a key, whether it may send one.
    if request.method == "OPTIONS":
        return None
    # By the view rather than the path: there are many spellings of a path. An unknown one has no view.
    return needed_scope(current_app.view_functions.get(request.endpoint or ""))


def _presented_key() -> str | None:
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return credentials.strip()
    return request.headers.get("X-API-Key")
