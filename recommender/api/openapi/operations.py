"""What may be asked: a table with an entry an operation, from which the description is written."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from recommender.answers import (
    BatchAnswer,
    LineAnswer,
    OneUserAnswer,
    PopularAnswer,
    PreviewAnswer,
    SimilarAnswer,
)
from recommender.api.health import HealthAnswer, ReadyAnswer
from recommender.api.openapi import examples
from recommender.api.openapi.refusals import fixed, wrong_bodies, wrong_path_id, wrong_queries
from recommender.api.openapi.schemas import Schema, query_parameters, reference
from recommender.api.problems import ErrorCode, Problem
from recommender.api.request_models import EXPLAINED_WEIGHT, RequestLimits, RequestModels, request_models
from recommender.api.streams import NDJSON
from recommender.api_keys import Scope
from recommender.ids import IdForm

JSON = "application/json"
BATCH_BODY = "BatchBody"
STREAMED_BATCH_BODY = "StreamedBatchBody"
PREVIEW_BODY = "PreviewBody"

RECOMMENDATIONS = "Recommendations"
MEDIA = "Media"
SERVICE = "Service"
TAGS = {
    RECOMMENDATIONS: "For users, many users, and people who are no users yet.",
    MEDIA: "The same for everybody: popular media, and media like one.",
    SERVICE: "For monitors and programs.",
}

# Of what waits for a place and asks databases.
_WORKING = (ErrorCode.OVERLOADED, ErrorCode.SERVICE_UNAVAILABLE)


@dataclass(frozen=True, slots=True)
class Answer:
    """A good answer, or what else is no error of the one shape."""

    schema: Schema | None
    examples: Mapping[str, Any]
    status: HTTPStatus = HTTPStatus.OK
    description: str = "The answer."
    content_type: str = JSON


@dataclass(frozen=True, slots=True)
class Operation:
    """A method at an address. `scope`: what a key must have; None where no key is asked for."""

    method: str
    path: str
    name: str
    tag: str
    summary: str
    description: str
    answers: tuple[Answer, ...]
    problems: tuple[Problem, ...] = ()
    parameters: tuple[Schema, ...] = ()
    body: Schema | None = None
    scope: Scope | None = Scope.READ


def operations(limits: RequestLimits) -> tuple[Operation, ...]:
    """All of them, within these limits."""
    models = request_models(limits)
    return (
        _one_user(models, limits),
        _batch(models, limits),
        _preview(models, limits),
        _popular(models, limits),
        _similar(models, limits),
        _health(),
        _ready(),
        _metrics(),
        _description(),
    )


def _one_user(models: RequestModels, limits: RequestLimits) -> Operation:
    form = limits.user_id_form
    return Operation(
        "GET",
        "/api/recommendations/{user_id}",
        "getRecommendations",
        RECOMMENDATIONS,
        "Recommend to a user",
        "Best first; a page past the end is empty. Pages that ask for the `index` of the first one neither "
        "overlap nor skip, unless media are deleted, or the user or similar users do something meanwhile. An "
        "unknown user gets popular media.",
        answers=(Answer(_of(OneUserAnswer), examples.ONE_USER),),
        problems=(
            wrong_path_id(form, "user_id", ErrorCode.INVALID_USER_ID),
            *wrong_queries(models.recommendations),
            *fixed(ErrorCode.NOT_FOUND, *_WORKING),
        ),
        parameters=(
            _path_id("user_id", "Whom to recommend to.", form, examples.USER_ID),
            *query_parameters(models.recommendations),
        ),
    )


def _batch(models: RequestModels, limits: RequestLimits) -> Operation:
    return Operation(
        "POST",
        "/api/recommendations/batch",
        "postBatch",
        RECOMMENDATIONS,
        "Recommend to many users",
        "Each user's answer equals that of GET, and they come in the order asked for, repeated ids once. "
        f"It has room for {limits.max_batch_recommendations} recommendations, where an explained one counts "
        f"as {EXPLAINED_WEIGHT}. "
        f"With `Accept: {NDJSON}` the answer is a stream, for more users: a line a user, sent while the next "
        "users are worked on. Should it break off, the last line is an error.",
        answers=(
            Answer(_of(BatchAnswer), examples.BATCH),
            Answer(
                {"description": "A line.", "anyOf": [_of(LineAnswer), reference(Problem.__name__)]},
                examples.LINE,
                content_type=NDJSON,
            ),
        ),
        problems=(*wrong_bodies(models.batch), *fixed(*_WORKING)),
        body=_json_body(
            {"anyOf": [reference(BATCH_BODY), reference(STREAMED_BATCH_BODY)]},
            examples.BATCH_BODY,
            fits=_known(limits.user_id_form, examples.USER_ID),
        ),
    )


def _preview(models: RequestModels, limits: RequestLimits) -> Operation:
    return Operation(
        "POST",
        "/api/recommendations/preview",
        "postPreview",
        RECOMMENDATIONS,
        "Recommend to somebody without an account",
        "By the same formulas, as if `genres` were stated and `liked` were the history.",
        answers=(Answer(_of(PreviewAnswer), examples.PREVIEW),),
        problems=(*wrong_bodies(models.preview), *fixed(*_WORKING)),
        body=_json_body(
            reference(PREVIEW_BODY),
            examples.PREVIEW_BODY,
            fits=_known(limits.media_id_form, examples.LIKED_ID),
        ),
    )


def _popular(models: RequestModels, limits: RequestLimits) -> Operation:
    return Operation(
        "GET",
        f"/api/{limits.domain.plural}/popular",
        "getPopular",
        MEDIA,
        "Popular media",
        "What most users liked or watched. Another window than the configured one is counted when first "
        "asked for; while that goes on (`counting`), and where it fails, the answer is about the configured "
        "one, and says so in `window_days`.",
        answers=(Answer(_of(PopularAnswer), examples.POPULAR),),
        problems=(*wrong_queries(models.popular), *fixed(*_WORKING)),
        parameters=tuple(query_parameters(models.popular)),
    )


def _similar(models: RequestModels, limits: RequestLimits) -> Operation:
    form = limits.media_id_form
    return Operation(
        "GET",
        f"/api/{limits.domain.plural}/{{media_id}}/similar",
        "getSimilar",
        MEDIA,
        "Media like one",
        "What the same people liked or watched, then, and where nobody can be asked, genres in common.",
        answers=(Answer(_of(SimilarAnswer), examples.SIMILAR),),
        problems=(
            wrong_path_id(form, "media_id", ErrorCode.INVALID_MEDIA_ID),
            *wrong_queries(models.similar),
            *fixed(ErrorCode.MEDIA_NOT_FOUND, ErrorCode.NOT_FOUND, *_WORKING),
        ),
        parameters=(
            _path_id("media_id", "The medium to start from.", form, examples.MEDIA_ID),
            *query_parameters(models.similar),
        ),
    )


def _health() -> Operation:
    return Operation(
        "GET",
        "/health",
        "getHealth",
        SERVICE,
        "Whether the service is alive",
        "Touches no database.",
        answers=(Answer(_of(HealthAnswer), examples.HEALTH),),
        scope=None,
    )


def _ready() -> Operation:
    ready, unavailable = HTTPStatus.OK, HTTPStatus.SERVICE_UNAVAILABLE
    return Operation(
        "GET",
        "/ready",
        "getReady",
        SERVICE,
        "Whether requests are worth sending",
        "Touches no database.",
        answers=(
            Answer(_of(ReadyAnswer), examples.READY, ready, "Useful answers can be given: all, or some."),
            Answer(_of(ReadyAnswer), examples.UNAVAILABLE, unavailable, "No useful answer can be given."),
        ),
        scope=None,
    )


def _metrics() -> Operation:
    return Operation(
        "GET",
        "/metrics",
        "getMetrics",
        SERVICE,
        "Metrics for Prometheus",
        "Of all workers together.",
        answers=(Answer({"type": "string"}, examples.METRICS, content_type="text/plain"),),
        scope=Scope.OPS,
    )


def _description() -> Operation:
    document = {"type": "object", "required": ["openapi", "info", "paths"]}
    unchanged = HTTPStatus.NOT_MODIFIED
    return Operation(
        "GET",
        "/openapi.json",
        "getDescription",
        SERVICE,
        "This description",
        "In OpenAPI 3.1.",
        answers=(
            Answer(document, examples.DESCRIPTION),
            Answer(None, {}, unchanged, "It is still the one of the `If-None-Match` sent."),
        ),
        scope=None,
    )


def _of(kind: type) -> Schema:
    return reference(kind.__name__)


def _path_id(name: str, description: str, form: IdForm, example: str) -> Schema:
    parameter: Schema = {
        "name": name,
        "in": "path",
        "required": True,
        "description": description,
        "schema": form.json_schema(),
    }
    return {**parameter, "example": example} if _known(form, example) else parameter


def _json_body(schema: Schema, shown: Mapping[str, Any], *, fits: bool) -> Schema:
    content = {"schema": schema, **({"examples": named(shown)} if fits else {})}
    return {"required": True, "content": {JSON: content}}


def _known(form: IdForm, example: str) -> bool:
    """Whether the ids of the examples are of this service's form."""
    return form.canonical(example) is not None


def named(shown: Mapping[str, Any]) -> Schema:
    """Examples as OpenAPI has them."""
    return {name: {"value": value} for name, value in shown.items()}
