"""Requests: what is accepted, and in words what is wrong with the rest."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr, ValidationError
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge, UnsupportedMediaType
from werkzeug.wrappers import Request

from recommender.api.problems import BadRequestError, ErrorCode
from recommender.domain import Page
from recommender.user_ids import canonical_id

NDJSON = "application/x-ndjson"
_MAX_BODY_BYTES = 1024 * 1024
_MAX_STREAM_BODY_BYTES = 8 * 1024 * 1024
MAX_OFFSET = 2_147_483_647
_DEFAULT_LIMIT = 10
_SHOWN_CHARACTERS = 60
_SHOWN_POSITIONS = 10
_WHOLE_NUMBER = re.compile(r"[0-9]{1,4000}")


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """What the settings allow callers to ask for; `id_form` says in words what the pattern admits."""

    max_limit: int
    max_batch_users: int
    max_stream_users: int
    id_pattern: re.Pattern[str]
    id_form: str

    @property
    def default_limit(self) -> int:
        """The limit of a request that names none."""
        return min(_DEFAULT_LIMIT, self.max_limit)


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """A valid batch: distinct ids in the order given, the page that each gets, and in which form."""

    user_ids: Sequence[str]
    page: Page
    streamed: bool


class _BatchBody(BaseModel):
    """The body of a batch request as JSON types; the bounds, which are settings, are checked after."""

    model_config = ConfigDict(extra="forbid")

    user_ids: Annotated[list[StrictStr], Field(min_length=1)]
    limit: StrictInt = 0  # Stands for one that is not given; what is given is told by model_fields_set.


def parse_user_id(text: str, limits: RequestLimits) -> str:
    """The canonical form of a user id.

    Raises:
        BadRequestError: it does not match the id pattern.
    """
    user_id = canonical_id(text, limits.id_pattern)
    if user_id is None:
        raise BadRequestError(
            ErrorCode.INVALID_USER_ID, f"user_id must be {limits.id_form}, got {_shown(text)}"
        )
    return user_id


def parse_page(arguments: MultiDict[str, str], limits: RequestLimits) -> Page:
    """`limit` and `offset` of a query string.

    Raises:
        BadRequestError: one is no whole number, out of range or given twice, or there are others.
    """
    for name in arguments:
        if name not in ("limit", "offset"):
            raise BadRequestError(
                ErrorCode.UNKNOWN_PARAMETER,
                f"unknown query parameter {_shown(name)}; limit and offset are allowed",
            )
    return Page(
        limit=_whole_number(arguments, "limit", limits.default_limit, 1, limits.max_limit),
        offset=_whole_number(arguments, "offset", 0, 0, MAX_OFFSET),
    )


def parse_batch(request: Request, limits: RequestLimits) -> BatchRequest:
    """The body of a batch request.

    Raises:
        BadRequestError: the body is not what it must be; the message says where.
        UnsupportedMediaType: it is not sent as JSON.
    """
    _refuse_arguments(request.args)
    if not request.is_json:
        raise UnsupportedMediaType
    streamed = NDJSON in request.accept_mimetypes.values()
    max_users = limits.max_stream_users if streamed else limits.max_batch_users
    body = _batch_body(_read(request, _MAX_STREAM_BODY_BYTES if streamed else _MAX_BODY_BYTES))
    limit = body.limit if "limit" in body.model_fields_set else limits.default_limit
    if not 1 <= limit <= limits.max_limit:
        raise _invalid_body(f"limit must be a whole number from 1 to {limits.max_limit}, got {_shown(limit)}")
    if len(body.user_ids) > max_users:
        raise _invalid_body(f"user_ids must hold 1 to {max_users} ids, got {len(body.user_ids)}")
    user_ids = [canonical_id(text, limits.id_pattern) for text in body.user_ids]
    wrong = [position for position, user_id in enumerate(user_ids) if user_id is None]
    if wrong:
        shown = ", ".join(str(position) for position in wrong[:_SHOWN_POSITIONS])
        more = f" and {len(wrong) - _SHOWN_POSITIONS} more" if len(wrong) > _SHOWN_POSITIONS else ""
        raise _invalid_body(
            f"each of user_ids must be {limits.id_form}; wrong at positions (from 0): {shown}{more}"
        )
    distinct = dict.fromkeys(user_id for user_id in user_ids if user_id is not None)
    return BatchRequest(user_ids=list(distinct), page=Page(limit=limit), streamed=streamed)


def _refuse_arguments(arguments: Iterable[str]) -> None:
    """Refuse query parameters where none are allowed.

    Raises:
        BadRequestError: there is one.
    """
    for name in arguments:
        raise BadRequestError(
            ErrorCode.UNKNOWN_PARAMETER, f"unknown query parameter {_shown(name)}; none are allowed here"
        )


def _read(request: Request, max_bytes: int) -> bytes:
    """The body, refused where it is larger: a chunked one does not say so beforehand.

    Raises:
        RequestEntityTooLarge: it is.
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


def _batch_body(data: bytes) -> _BatchBody:
    try:
        content = orjson.loads(data)
    except orjson.JSONDecodeError as exc:
        raise _invalid_body("the body is not valid JSON") from exc
    if not isinstance(content, dict):
        raise _invalid_body("the body must be a JSON object with user_ids and, optionally, limit")
    try:
        return _BatchBody.model_validate(content)
    except ValidationError as exc:
        raise _invalid_body(_body_problem(exc.errors()[0])) from exc


def _body_problem(error: Mapping[str, Any]) -> str:
    """What is wrong with a body, from pydantic's first finding."""
    field, *place = error["loc"]
    if error["type"] == "extra_forbidden":
        return f"unknown key {_shown(field)}; user_ids and limit are allowed"
    if error["type"] == "missing":
        return f"{field} is missing"
    if field == "limit":
        return f"limit must be a whole number, got {_shown(error['input'])}"
    if place:
        return f"each of user_ids must be a string; wrong at position (from 0): {place[0]}"
    return "user_ids must be a list with at least one id"


def _invalid_body(message: str) -> BadRequestError:
    return BadRequestError(ErrorCode.INVALID_BODY, message)


def _whole_number(arguments: MultiDict[str, str], name: str, default: int, least: int, most: int) -> int:
    values = arguments.getlist(name)
    if not values:
        return default
    allowed = f"{name} must be a whole number from {least} to {most}"
    if len(values) > 1:
        raise BadRequestError(
            ErrorCode.INVALID_PARAMETER, f"{allowed}, given once, got it {len(values)} times"
        )
    text = values[0]
    if not _WHOLE_NUMBER.fullmatch(text) or not least <= int(text) <= most:
        raise BadRequestError(ErrorCode.INVALID_PARAMETER, f"{allowed}, got {_shown(text)}")
    return int(text)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
