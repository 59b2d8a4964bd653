"""Bodies with more values than their model allows are refused before they are parsed."""

import time
from pathlib import Path
from typing import Any

import orjson
import pytest
from pydantic import BaseModel
from werkzeug.wrappers import Request

from config.request_settings import RequestSettings
from recommender.api.errors import BadRequestError
from recommender.api.fields import Ids, Texts
from recommender.api.parsing import MAX_STREAM_BODY_BYTES, parse_body
from recommender.api.recommendations.requests import BatchBody, PreviewBody, StreamedBatchBody
from recommender.api.request_models import RequestLimits, bounded

# Ids that hold the very characters that are counted, and those that end a text or seem to.
LIMITS = RequestLimits(
    RequestSettings(id_pattern=r'[,\[\]{}"\\\w]{1,300}', media_id_pattern=r'[,\[\]{}"\\\w]{1,300}')
)
MODELS = [bounded(BatchBody, LIMITS), bounded(StreamedBatchBody, LIMITS), bounded(PreviewBody, LIMITS)]


def parsed(model: type[BaseModel], data: bytes) -> BaseModel:
    request = Request.from_values(method="POST", data=data, content_type="application/json")
    return parse_body(request, model, MAX_STREAM_BODY_BYTES)


def largest(model: type[BaseModel]) -> dict[str, Any]:
    """Return a body whose lists are all as long as is allowed."""
    body: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        for kind in field.metadata:
            if isinstance(kind, Ids):
                body[name] = [f'{number},[{{"\\' for number in range(kind.most)]
            elif isinstance(kind, Texts):
                body[name] = [f'{number}{",[{" * 20}"\\' for number in range(kind.most)]
    return body


@pytest.mark.parametrize("model", MODELS, ids=lambda model: str(model.__name__))
def test_the_largest_valid_body_is_accepted_whatever_its_texts_hold(model: type[BaseModel]) -> None:
    body = largest(model)
    assert len(body) > 2
    found = parsed(model, orjson.dumps(body))
    assert {name: len(getattr(found, name)) for name in body} == {
        name: len(values) for name, values in body.items()
    }


@pytest.mark.parametrize("value", [b"[]", b"{}", b'""', b"0", b'"\\"\\\\"'], ids=repr)
@pytest.mark.parametrize("model", MODELS, ids=lambda model: str(model.__name__))
def test_millions_of_values_are_refused_unparsed(
    model: type[BaseModel], value: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orjson, "loads", lambda _data: pytest.fail("the body was parsed"))
    # Repeating is far faster than joining.
    values = (value + b",") * (MAX_STREAM_BODY_BYTES // (len(value) + 1) - 20) + value
    before = time.thread_time()
    with pytest.raises(BadRequestError, match="the body holds too many values"):
        parsed(model, b'{"user_ids":[' + values + b"]}")
    # Parsing takes ten times as long.
    assert time.thread_time() - before < 0.3


def test_deep_nesting_is_refused_unparsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orjson, "loads", lambda _data: pytest.fail("the body was parsed"))
    with pytest.raises(BadRequestError, match="the body holds too many values"):
        parsed(MODELS[0], b'{"user_ids":' + b"[" * 100_000 + b"]" * 100_000 + b"}")


def test_a_few_ids_too_many_are_counted() -> None:
    most = LIMITS.settings.max_batch_users
    with pytest.raises(BadRequestError, match=f"user_ids must hold 1 to {most} ids, got {2 * most}"):
        parsed(MODELS[0], orjson.dumps({"user_ids": ["a"] * 2 * most}))


@pytest.mark.parametrize("data", [b'{"user_ids":[', b'{"user_ids":[[]]}'], ids=["no JSON", "not allowed"])
def test_an_error_does_not_keep_the_body_in_memory(data: bytes) -> None:
    with pytest.raises(BadRequestError) as caught:
        parsed(MODELS[0], data)
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
    kept = [entry.frame.raw.f_locals for entry in caught.traceback if Path(entry.path).name == "parsing.py"]
    assert kept
    assert not [value for names in kept for value in names.values() if isinstance(value, bytes | dict)]
