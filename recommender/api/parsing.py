"""Parses requests, and says in words what is wrong with them."""

import codecs
import functools
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar, get_args

import orjson
from pydantic import BaseModel, ValidationError
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge, UnsupportedMediaType
from werkzeug.wrappers import Request

from recommender.api.errors import NOT_COMPRESSED, BadRequestError, CompressedBodyError, ErrorCode
from recommender.api.fields import FROM_QUERY, NAME, Ids, Texts, WrongValueError, shown
from recommender.api.json_size import holds_more_values
from recommender.texts.ids import IdForm

MAX_BODY_BYTES = 1024 * 1024
MAX_STREAM_BODY_BYTES = 8 * 1024 * 1024
# So many values beyond those of the longest lists are parsed, for a message with their exact number.
_COUNTED_BEYOND = 1000
# Names of UTF-8, and of ASCII, which is a part of it.
_CHARSETS = {"utf-8", "utf8", "us-ascii", "ascii"}
_REPLACEMENT = "\ufffd"
_QUERY_CONTEXT = MappingProxyType({FROM_QUERY: True})

M = TypeVar("M", bound=BaseModel)


def parse_id(text: str, form: IdForm, name: str, code: ErrorCode) -> str:
    """Return the canonical form of an id in a path.

    Raises:
        BadRequestError: the id does not match the form.
    """
    # Werkzeug replaces bytes of a path that are not UTF-8, so that different paths would name the same id.
    found = None if _REPLACEMENT in text else form.canonical(text)
    if found is None:
        raise wrong_id(text, form, name, code)
    return found


def wrong_id(text: str, form: IdForm, name: str, code: ErrorCode) -> BadRequestError:
    """Return the message for an id that does not match the form."""
    return BadRequestError(code, f"{name} must be {form.words}, got {shown(text)}")


def wrong_host(host: str) -> BadRequestError:
    """Return the message for a Host header that names no host of the service."""
    message = f"the Host header must name this service (see ALLOWED_HOSTS), got {shown(host)}"
    return BadRequestError(ErrorCode.BAD_REQUEST, message)


def parse_query(arguments: MultiDict[str, str], model: type[M]) -> M:
    """Validate a query string.

    Raises:
        BadRequestError: a parameter is invalid, repeated or unknown.
    """
    values: dict[str, object] = {}
    for name in arguments:
        if name not in model.model_fields:
            raise BadRequestError(
                ErrorCode.UNKNOWN_PARAMETER,
                f"unknown query parameter {shown(name)}; {_allowed(model)}",
            )
        given = arguments.getlist(name)
        if takes_many(model, name):
            values[name] = given
        elif len(given) == 1:
            values[name] = given[0]
        else:
            raise BadRequestError(
                ErrorCode.INVALID_PARAMETER, f"{name} must be given once, got it {len(given)} times"
            )
    try:
        return model.model_validate(values, context=_QUERY_CONTEXT)
    except ValidationError as exc:
        raise BadRequestError(ErrorCode.INVALID_PARAMETER, _message_of(exc)) from exc


def takes_many(model: type[BaseModel], name: str) -> bool:
    """Return whether a parameter may be repeated."""
    return get_args(model.model_fields[name].annotation) == (str, ...)


def parse_body(request: Request, model: type[M], max_bytes: int = MAX_BODY_BYTES) -> M:
    """Validate a JSON body.

    Raises:
        BadRequestError: the body is invalid; the message says where.
        UnsupportedMediaType: it is not sent as JSON in UTF-8, or is compressed.
        RequestEntityTooLarge: it is larger than `max_bytes`.
    """
    _refuse_arguments(request.args)
    if not request.is_json or request.mimetype_params.get("charset", "utf-8").lower() not in _CHARSETS:
        raise UnsupportedMediaType
    if (request.content_encoding or NOT_COMPRESSED).lower() != NOT_COMPRESSED:
        raise CompressedBodyError
    found = _validated(_read(request, max_bytes), model)
    if isinstance(found, str):
        # Raised only here: the errors of orjson and pydantic, and calls that parse, hold the whole body.
        raise _invalid_body(found)
    return found


def _validated(data: bytes, model: type[M]) -> M | str:
    """Return a body, or what is wrong with it."""
    most = _most_values(model)
    # Parsing millions of values stops all requests of the process for seconds.
    if holds_more_values(data, most + _COUNTED_BEYOND):
        return f"the body holds too many values: its lists may hold {most} in total"
    try:
        # Some programs begin each UTF-8 text with a byte order mark.
        content = orjson.loads(data.removeprefix(codecs.BOM_UTF8))
    except orjson.JSONDecodeError as exc:
        return f"the body cannot be read as JSON: {exc}"
    if not isinstance(content, dict):
        return f"the body must be a JSON object of {_listed(model.model_fields)}"
    for name in content:
        if name not in model.model_fields:
            return f"unknown key {shown(name)}; {_allowed(model)}"
    try:
        return model.model_validate(content)
    except ValidationError as exc:
        return _message_of(exc)


@functools.lru_cache(maxsize=64)
def _most_values(model: type[BaseModel]) -> int:
    """Return how many values the lists of a body may hold in total."""
    return sum(
        kind.most
        for field in model.model_fields.values()
        for kind in field.metadata
        if isinstance(kind, Ids | Texts)
    )


def _refuse_arguments(arguments: Iterable[str]) -> None:
    """Refuse all query parameters.

    Raises:
        BadRequestError: there is one.
    """
    for name in arguments:
        raise BadRequestError(
            ErrorCode.UNKNOWN_PARAMETER, f"unknown query parameter {shown(name)}; none are allowed here"
        )


def _read(request: Request, max_bytes: int) -> bytes:
    """Return the body. Count its bytes while reading: a chunked body states no length.

    Raises:
        RequestEntityTooLarge: it is larger than `max_bytes`.
        BadRequestError: it breaks off, or its chunks are malformed.
    """
    if (request.content_length or 0) > max_bytes:
        raise RequestEntityTooLarge
    request.max_content_length = None
    try:
        data = request.stream.read(max_bytes + 1)
    except HTTPException:
        raise
    except Exception as exc:
        raise _invalid_body("the body breaks off or is malformed") from exc
    if len(data) > max_bytes:
        raise RequestEntityTooLarge
    return data


def _message_of(exc: ValidationError) -> str:
    """Return the message for pydantic's first error."""
    error: Mapping[str, Any] = exc.errors(include_url=False)[0]
    name = str(error["loc"][0]) if error["loc"] else ""
    if error["type"] == "missing":
        return f"{name} is missing"
    wrong = error.get("ctx", {}).get("error")
    if isinstance(wrong, WrongValueError):
        return str(wrong).replace(NAME, name)
    # A field of one of pydantic's own types.
    return f"{name}: {error['msg']}"


def _invalid_body(message: str) -> BadRequestError:
    return BadRequestError(ErrorCode.INVALID_BODY, message)


def _allowed(model: type[BaseModel]) -> str:
    names = list(model.model_fields)
    return f"{_listed(names)} are allowed" if len(names) > 1 else f"{names[0]} is allowed"


def _listed(names: Iterable[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}"
