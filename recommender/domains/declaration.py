"""Read an app's own attributes from a small TOML file."""

import tomllib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from recommender.domains.attributes import Attribute, AttributeKind
from recommender.domains.base import Domain
from recommender.errors import ConfigurationError
from recommender.texts.names import DECLARED_NAME, DECLARED_NAME_RULE


class _Declared(BaseModel):
    """The keys of a table of the file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: AttributeKind
    column: str = Field(default="", max_length=63)
    filterable: bool | None = Field(default=None, strict=True)
    description: str = ""


def with_own_attributes(domain: Domain, path: Path) -> Domain:
    """Return the domain with the attributes that a file declares, in the file's order.

    Raises:
        ConfigurationError: the file cannot be read or a declaration is invalid; the message names the file,
            the attribute, and what is allowed.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as exc:
        raise ConfigurationError(f"{path}: cannot be read as TOML: {exc}") from exc
    try:
        return domain.extended([_attribute(name, table) for name, table in tables.items()])
    except ConfigurationError as exc:
        raise ConfigurationError(f"{path}: {exc}") from exc


def _attribute(name: str, table: Any) -> Attribute:
    if not DECLARED_NAME.fullmatch(name):
        raise ConfigurationError(f"{name}: {DECLARED_NAME_RULE}")
    if not isinstance(table, dict):
        raise ConfigurationError(f"{name}: must be a table such as [{name}], with a kind")
    try:
        declared = _Declared.model_validate(table)
    except ValidationError as exc:
        raise ConfigurationError(f"{name}: {_described(exc)}") from exc
    if declared.filterable and declared.kind is AttributeKind.TEXT:
        raise ConfigurationError(f"{name}: text is only shown; only set, category and number are filterable")
    return Attribute(
        name,
        declared.kind,
        column=declared.column,
        description=declared.description,
        filterable=declared.filterable is not False,
    )


def _described(exc: ValidationError) -> str:
    """Return a description of the first error, with what is allowed."""
    error = exc.errors(include_url=False)[0]
    key = ".".join(map(str, error["loc"]))
    if error["type"] == "extra_forbidden":
        return f"there is no {key}; {', '.join(_Declared.model_fields)} are allowed"
    if error["type"] == "missing":
        return f"{key} is missing; it must be one of {', '.join(AttributeKind)}"
    if key == "kind":
        return f"kind must be one of {', '.join(AttributeKind)}, got {error['input']!r}"
    return f"{key}: {error['msg']}, got {error['input']!r}"
