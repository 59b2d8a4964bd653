"""Makes JSON Schemas from the types of requests and answers."""

from collections.abc import Iterable, Iterator
from typing import Any, get_args

from pydantic import BaseModel, TypeAdapter
from typing_extensions import get_type_hints, is_typeddict

from recommender.domains.attributes import Attribute, AttributeKind
from recommender.domains.base import Domain
from recommender.results.schemas import MediaAnswer

Schema = dict[str, Any]

_ROOT = "#/components/schemas/"


def reference(name: str) -> Schema:
    """Return a reference to a schema of the components."""
    return {"$ref": f"{_ROOT}{name}"}


def component_schemas(
    answers: Iterable[type], bodies: Iterable[type[BaseModel]], domain: Domain
) -> dict[str, Schema]:
    """Return the schemas of answers, of their parts and of request bodies, by name, for items of a domain.

    Raises:
        ValueError: two of them have the same name.
    """
    kinds = list(dict.fromkeys(part for answer in answers for part in _parts(answer)))
    models = list(dict.fromkeys(bodies))
    _refuse_equal_names([*kinds, *models])
    return _answer_schemas(kinds, domain) | {model.__name__: _body_schema(model) for model in models}


def _answer_schemas(kinds: list[type], domain: Domain) -> dict[str, Schema]:
    adapters: list[tuple[str, Any, TypeAdapter[Any]]] = [
        (kind.__name__, "serialization", TypeAdapter(kind)) for kind in kinds
    ]
    _, definitions = TypeAdapter.json_schemas(adapters, ref_template=f"{_ROOT}{{model}}")
    schemas: dict[str, Schema] = _tidy(definitions["$defs"])
    _inherit_descriptions(kinds, schemas)
    _add_attributes(kinds, schemas, domain)
    return schemas


def _refuse_equal_names(kinds: Iterable[type]) -> None:
    by_name: dict[str, type] = {}
    for kind in kinds:
        other = by_name.setdefault(kind.__name__, kind)
        if other is not kind:
            raise ValueError(
                f"{other.__module__} and {kind.__module__} both have a {kind.__name__}: the names of answers "
                "and bodies must differ"
            )


def _parts(kind: Any) -> Iterator[type]:
    """Yield the typed dicts that a type consists of, bases first."""
    if is_typeddict(kind):
        for base in getattr(kind, "__orig_bases__", ()):
            yield from _parts(base)
        for held in get_type_hints(kind).values():
            yield from _parts(held)
        yield kind
    else:
        for argument in get_args(kind):
            yield from _parts(argument)


def _body_schema(model: type[BaseModel]) -> Schema:
    """Return the schema of a JSON body, described by the model's docstring."""
    return {"description": model.__doc__, **_tidy(model.model_json_schema())}


def query_parameters(model: type[BaseModel]) -> list[Schema]:
    """Return the parameters of a query string."""
    schema = _tidy(model.model_json_schema())
    return [
        _query_parameter(name, field, required=name in schema.get("required", ()))
        for name, field in schema["properties"].items()
    ]


def _query_parameter(name: str, field: Schema, *, required: bool) -> Schema:
    described = {"name": name, "in": "query", "required": required, "description": field.pop("description")}
    # Lists are repeated parameters, not joined by commas.
    repeated = {"style": "form", "explode": True} if field["type"] == "array" else {}
    return {**described, **repeated, "schema": field}


def _inherit_descriptions(kinds: Iterable[type], schemas: dict[str, Schema]) -> None:
    """Add the descriptions of inherited fields, which pydantic leaves out."""
    for kind in kinds:
        # A base was described before the types derived from it.
        for base in getattr(kind, "__orig_bases__", ()):
            inherited = schemas.get(base.__name__, {}).get("properties", {})
            for name, field in inherited.items():
                if "description" in field:
                    schemas[kind.__name__]["properties"][name].setdefault("description", field["description"])


def _add_attributes(kinds: Iterable[type], schemas: dict[str, Schema], domain: Domain) -> None:
    """Add the attributes of the domain after the id, in each schema of items."""
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
    if attribute.kind is AttributeKind.SET:
        return {"items": {"type": "string"}, "type": "array", **described}
    number = "integer" if attribute.whole else "number"
    return {"type": [number if attribute.kind is AttributeKind.NUMBER else "string", "null"], **described}


def _tidy(schema: Any) -> Any:
    """Return a schema without pydantic's generated titles and null defaults."""
    if isinstance(schema, list):
        return [_tidy(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: _tidy(value) for key, value in schema.items() if not _is_noise(key, value)}
    # Pydantic writes a nullable type as anyOf; Swagger UI shows a list of types on one line.
    match kept.get("anyOf"):
        case [{"type": str(kind), **rest}, {"type": "null"}] if not rest:
            del kept["anyOf"]
            kept["type"] = [kind, "null"]
    return kept


def _is_noise(key: str, value: object) -> bool:
    # A property may be called title: then its value is a schema.
    return (key == "title" and isinstance(value, str)) or (key == "default" and value in (None, []))
