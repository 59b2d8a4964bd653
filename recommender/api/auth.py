"""Checks API keys and their scopes."""

from collections.abc import Sequence

from flask import current_app, g, request
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Forbidden, Unauthorized

from config.access_settings import ApiKey, KeyScope
from recommender.api.endpoints import needed_scope
from recommender.auth_keys import find_key


class KeyAuth:
    """Rejects requests without a valid key of the required scope. Without keys it admits all."""

    def __init__(self, keys: Sequence[ApiKey]) -> None:
        self._keys = keys

    def authenticate(self) -> None:
        """Store the key of the request for `known_key`. Rejects nothing."""
        presented = _presented_key()
        g.api_key = None if presented is None else find_key(self._keys, presented)

    def authorize(self) -> None:
        """Check the key of the request.

        Raises:
            Unauthorized: the request has no key, or an unknown one.
            Forbidden: the key lacks the scope that the route needs.
        """
        needed = _scope_of_request()
        if not self._keys or needed is None:
            return
        key = known_key()
        if key is None:
            error = {"error": "invalid_token"} if _presented_key() else {}
            raise Unauthorized(www_authenticate=WWWAuthenticate("bearer", {"realm": "marquee", **error}))
        if needed not in key.scopes:
            raise Forbidden


def is_open() -> bool:
    """Return whether the request needs no key and has no rate limit."""
    return _scope_of_request() is None


def known_key() -> ApiKey | None:
    """Return the key of the request, None if it is missing or unknown."""
    key: ApiKey | None = g.api_key
    return key


def _scope_of_request() -> KeyScope | None:
    # Browsers send preflight requests (OPTIONS) without a key.
    if request.method == "OPTIONS":
        return None
    # Decide by the view: a path has many spellings. An unknown path has no view.
    return needed_scope(current_app.view_functions.get(request.endpoint or ""))


def _presented_key() -> str | None:
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return credentials.strip()
    return request.headers.get("X-API-Key")
