"""Checks answers strictly against the API's description."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from werkzeug.datastructures import Headers
from werkzeug.test import TestResponse

Schema = dict[str, Any]

USER = "11111111-1111-4111-8111-111111111111"
# A valid request for each operation.
REQUESTS: dict[str, dict[str, Any]] = {
    "getRecommendations": {"path": f"/api/recommendations/{USER}"},
    "postBatch": {"method": "POST", "path": "/api/recommendations/batch", "json": {"user_ids": [USER]}},
    "postPreview": {"method": "POST", "path": "/api/recommendations/preview", "json": {}},
    "getPopular": {"path": "/api/media/popular"},
    "getSimilar": {"path": f"/api/media/{USER}/similar"},
    "getHealth": {"path": "/health"},
    "getReady": {"path": "/ready"},
    "getModels": {"path": "/api/models"},
    "getMetrics": {"path": "/metrics"},
    "getDescription": {"path": "/openapi.json"},
}
GUARDED = sorted(set(REQUESTS) - {"getHealth", "getReady", "getDescription"})
OF_OPS = {"getMetrics", "getModels"}
WORKING = sorted(set(GUARDED) - OF_OPS)

_NDJSON = "application/x-ndjson"
# Headers of HTTP itself, and security headers of every answer, which the description leaves out.
_UNDESCRIBED = {
    "cache-control",
    "connection",
    "content-disposition",
    "content-length",
    "content-security-policy",
    "content-type",
    "date",
    "etag",
    "referrer-policy",
    "x-content-type-options",
    "x-frame-options",
}


@dataclass(frozen=True)
class Contract:
    """An API description."""

    document: Schema

    @cached_property
    def operations(self) -> dict[str, Schema]:
        """Return the operations by id, with `path` and `method`."""
        return {
            operation["operationId"]: {**operation, "path": path, "method": method.upper()}
            for path, methods in self.document["paths"].items()
            for method, operation in methods.items()
        }

    def media_types(self) -> Iterator[tuple[str, str, str, Schema]]:
        """Yield operation, status, content type and description of each answer."""
        for name, operation in self.operations.items():
            for status, response in operation["responses"].items():
                for content_type, media_type in response.get("content", {}).items():
                    yield name, status, content_type, media_type

    def codes(self, name: str) -> set[str]:
        """Return the error codes that an operation may return."""
        return {
            code
            for found, _, _, media_type in self.media_types()
            if found == name
            for part in media_type["schema"].get("allOf", ())
            for code in part.get("properties", {}).get("code", {}).get("enum", ())
        }

    def objects(self, union: list[Schema]) -> list[Schema]:
        """Return the object schemas of a union, also those of lists."""
        members = []
        for member in union:
            found = member.get("items", member)
            if "$ref" in found:
                members.append(self.document["components"]["schemas"][found["$ref"].rpartition("/")[2]])
        return members

    def check(self, name: str, response: TestResponse) -> None:
        """Assert that an answer has a status, headers, type and body that the operation declares."""
        described = self.operations[name]["responses"][str(response.status_code)]
        self._check_headers(described["headers"], response.headers)
        if "content" not in described:
            assert response.data == b""
            return
        schema = described["content"][response.mimetype]["schema"]
        if response.mimetype == _NDJSON:
            for line in response.data.splitlines():
                self.validate(schema, json.loads(line))
        else:
            self.validate(schema, response.get_json() if response.is_json else response.text)

    def validate(self, schema: Schema, value: object) -> None:
        """Assert that a value matches the schema, and that no object has an undeclared key."""
        known = self._validators.get(id(schema))
        if known is None:
            whole = {**_closed(schema), "components": self._closed_components}
            # With the schema, whose identity no other object can have meanwhile.
            known = schema, Draft202012Validator(whole, format_checker=FormatChecker())
            self._validators[id(schema)] = known
        known[1].validate(value)

    def _check_headers(self, described: Schema, headers: Headers) -> None:
        known = {name.lower(): self._header(name) for name in described}
        assert not [name for name, header in known.items() if header["required"] and name not in headers]
        for name, value in headers.items():
            if name.lower() not in _UNDESCRIBED:
                schema = known[name.lower()]["schema"]
                self.validate(schema, int(value) if schema["type"] == "integer" else value)

    def _header(self, name: str) -> Schema:
        header: Schema = self.document["components"]["headers"][name]
        return header

    @cached_property
    def _validators(self) -> dict[int, tuple[Schema, Draft202012Validator]]:
        return {}

    @cached_property
    def _closed_components(self) -> Schema:
        closed: Schema = _closed(self.document["components"])
        return closed


def _closed(schema: Any) -> Any:
    """Return the schema without additional keys: a key must be described before it is sent."""
    if isinstance(schema, list):
        return [_closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(value) for key, value in schema.items()}
    if closed.get("type") == "object" and "properties" in closed:
        closed.setdefault("additionalProperties", False)
    return closed
