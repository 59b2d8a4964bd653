"""Calls a running service through its generated Python client, and prints the answers as JSON.

Arguments: the service's address, and two users or more.
"""

import json
import sys
from collections.abc import Iterator
from typing import Any, TypeVar
from uuid import UUID

from marquee_client import Client
from marquee_client.api.recommendations import get_recommendations, post_batch
from marquee_client.models import (
    BatchAnswer,
    BatchBody,
    GetRecommendationsResponse400,
    LineAnswer,
    OneUserAnswer,
    Recommended,
    StreamedBatchBody,
)
from marquee_client.types import Unset

T = TypeVar("T")


def main(url: str, *users: str) -> None:
    """Request a page, an explained page, a batch, a stream, and an invalid page."""
    ids = [UUID(user) for user in users]
    with Client(base_url=url) as client:
        page = of(OneUserAnswer, get_recommendations.sync(ids[0], client=client, limit=3))
        explained = of(OneUserAnswer, get_recommendations.sync(ids[0], client=client, limit=3, explain=True))
        batch = of(BatchAnswer, post_batch.sync(client=client, body=BatchBody(user_ids=ids, limit=3)))
        lines = list(stream(client, StreamedBatchBody(user_ids=ids, limit=3, explain=True)))
        refused = get_recommendations.sync(ids[0], client=client, limit=0)
        error = of(GetRecommendationsResponse400, refused)
    got = {
        "page": page.to_dict(),
        "explained": explained.to_dict(),
        "explanations": [explanation(item) for item in explained.recommendations],
        "batch": batch.to_dict(),
        "lines": [line.to_dict() for line in lines],
        "reasons": [
            {"user_id": line.user_id, "reasons": [item.reason for item in line.recommendations]}
            for line in lines
        ],
        "error": {"error": error.error, "code": error.code.value},
    }
    sys.stdout.write(json.dumps(got))


def of(kind: type[T], answer: object) -> T:
    """Return the answer. Fail if it is not of this type."""
    if not isinstance(answer, kind):
        raise TypeError(f"{answer} is no {kind.__name__}")
    return answer


def explanation(item: Recommended) -> dict[str, Any]:
    """Return the explanation of an item."""
    if isinstance(item.because_you_liked, Unset) or isinstance(item.score_parts, Unset):
        raise TypeError(f"{item.id} has no explanation")
    titles: list[str | None] = [own.title for own in item.because_you_liked]
    return {"reason": item.reason, "titles": titles, "content": item.score_parts.content}


def stream(client: Client, body: StreamedBatchBody) -> Iterator[LineAnswer]:
    """Yield a batch user by user; the generated function reads JSON only."""
    accepted = {"Accept": "application/x-ndjson"}
    with client.get_httpx_client().stream(
        "POST", "/api/recommendations/batch", json=body.to_dict(), headers=accepted
    ) as response:
        rest = b""
        for chunk in response.raise_for_status().iter_bytes():
            *lines, rest = (rest + chunk).split(b"\n")
            yield from (LineAnswer.from_dict(json.loads(line)) for line in lines)


if __name__ == "__main__":
    main(*sys.argv[1:])
