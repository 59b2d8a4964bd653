"""JSON Schemas of requests and answers, from the types that requests are checked and answers are made by."""

from collections.abc import Iterable, Iterator
from typing import Any, get_args

from pydantic import BaseModel, TypeAdapter
from typing_extensions import get_type_hints, is_typeddict

from recommender.domains.attributes import Attribute, Kind
from recommender.domains.base import Domain
from recommender.result_serializers import MediaAnswer

Schema = dict[str, Any]

_ROOT = "#/components/schemas/"


def reference(name: str) -> Schema:
    """A schema that is among the components."""
    return {"$ref": f"{_ROOT}{name}"}


def answer_schemas(answers: Iterable[type], domain: Domain) -> dict[str, Schema]:
    """The schemas of typed dicts, and of those that they are made of, by name; items as a domain has them."""
    kinds = list(dict.fromkeys(part for answer in answers for part in _parts(answer)))
    adapters: list[tuple[str, Any, TypeAdapter[Any]]] = [
        (kind.__name__, "serialization", TypeAdapter(kind)) for kind in kinds
    ]
    _, definitions = TypeAdapter.json_schemas(adapters, ref_template=f"{_ROOT}{{model}}")
    schemas: dict[str, Schema] = _tidy(definitions["$defs"])
    _inherit_descriptions(kinds, schemas)
    _add_attributes(kinds, schemas, domain)
    return schemas


def _parts(kind: Any) -> Iterator[type]:
    """The typed dicts that a type is made of; the bases of each come before it."""
    if is_typeddict(kind):
        for base in getattr(kind, "__orig_bases__", ()):
            yield from _parts(base)
        for held in get_type_hints(kind).values():
            yield from _parts(held)
        yield kind
    else:
        for argument in get_args(kind):
            yield from _parts(argument)


def body_schema(model: type[BaseModel]) -> Schema:
    """The schema of a JSON body, which is described by the model's docstring."""
    return {"description": model.__doc__, **_tidy(model.model_json_schema())}


def query_parameters(model: type[BaseModel]) -> list[Schema]:
    """The parameters of a query string."""
    schema = _tidy(model.model_json_schema())
    return [
        _query_parameter(name, field, required=name in schema.get("required", ()))
        for name, field in schema["properties"].items()
    ]


def _query_parameter(name: str, field: Schema, *, required: bool) -> Schema:
    described = {"name": name, "in": "query", "required": required, "description": field.pop("description")}
    # Repeated, as the service reads them, not joined by commas.
    repeated = {"style": "form", "explode": True} if field["type"] == "array" else {}
    return {**described, **repeated, "schema": field}


def _inherit_descriptions(kinds: Iterable[type], schemas: dict[str, Schema]) -> None:
    """Pydantic reads what is said of a field only where the field itself is written."""
    for kind in kinds:
        # No base has bases of its own that were not described before it.
        for base in getattr(kind, "__orig_bases__", ()):
            inherited = schemas.get(base.__name__, {}).get("properties", {})
            for name, field in inherited.items():
                if "description" in field:
                    schemas[kind.__name__]["properties"][name].setdefault("description", field["description"])


def _add_attributes(kinds: Iterable[type], schemas: dict[str, Schema], domain: Domain) -> None:
    """Add the attributes after the id, wherever items are described."""
    added = {attribute.name: _attribute_schema(attribute) for attribute in domain.shown}
    for kind in filter(_is_item, kinds):
        schema = schemas[kind.__name__]
        properties, required = schema["properties"], schema["required"]
        schema["properties"] = {"id": properties.pop("id"), **added, **properties}
        schema["required"] = ["id", *added, *required[1:]]


def _is_item(kind: Any) -> bool:
    return kind is MediaAnswer or any(map(_is_item, getattr(kind, "__orig_bases__", ())))


def _attribute_schema(attribute: Attribute) -> Schema:
    described = {"description": attribute.description} if attribute.description else {}
    if attribute.kind is Kind.SET:
        return {"items": {"type": "string"}, "type": "array", **described}
    number = "integer" if attribute.whole else "number"
    return {"type": [number if attribute.kind is Kind.NUMBER else "string", "null"], **described}


def _tidy(schema: Any) -> Any:
    """Without what pydantic adds and nobody needs: titles made of names, and defaults that stand for none."""
    if isinstance(schema, list):
        return [_tidy(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: _tidy(value) for key, value in schema.items() if not _is_noise(key, value)}
    # Pydantic's way to say that a value may be null; this one is shorter, and readers show it on one line.
    match kept.get("anyOf"):
        case [{"type": str(kind), **rest}, {"type": "null"}] if not rest:
            del kept["anyOf"]
            kept["type"] = [kind, "null"]
    return kept


def _is_noise(key: str, value: object) -> bool:
    # A property may well be called title: then its value is a schema.
    return (key == "title" and isinstance(value, str)) or (key == "default" and value in (None, []))
