"""What an answer must be for the state that it reports."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from recommender.domain import DatabaseName
from tests.support.reference import Reference, Scored

USER, CATALOG, ENGAGEMENT = DatabaseName
_STATES = ((), (USER,), (ENGAGEMENT,), (USER, ENGAGEMENT))
_ROUNDING = 1e-4
LIMIT = 10


class Expectations:
    """The whole ranking of some users, for every combination of databases that scores depend on."""

    def __init__(self, reference: Reference, users: Sequence[str]) -> None:
        self._rankings: Mapping[tuple[str, tuple[DatabaseName, ...]], list[Scored]] = {
            (user, without): reference.rank(user, without=without) for user in users for without in _STATES
        }
        self._seen = reference.seen

    def violations(self, user: str, page: Mapping[str, Any]) -> list[str]:
        """What is wrong with a user's page, if anything."""
        degraded = [DatabaseName(name) for name in page["degraded"]]
        ranking = self._rankings[user, tuple(name for name in (USER, ENGAGEMENT) if name in degraded)]
        rankings = [ranking]
        if ENGAGEMENT in degraded:
            # It may have told what the user has seen, and failed over what similar users like.
            seen = self._seen.get(user, set())
            rankings.append([scored for scored in ranking if scored.media_id not in seen])
        found = [list(_differences(page, ranking, some_missing=CATALOG in degraded)) for ranking in rankings]
        return [f"{problem}, without {degraded}" for problem in min(found, key=len)]


def _differences(page: Mapping[str, Any], ranking: Sequence[Scored], *, some_missing: bool) -> Iterator[str]:
    items = page["recommendations"]
    if page["strategy"] != _strategy(ranking):
        yield f"strategy {page['strategy']}"
    if some_missing:
        # Media whose details are not cached are left out; the others keep order and scores.
        shown = {item["id"] for item in items}
        ranking = [scored for scored in ranking if scored.media_id in shown]
    elif len(items) != LIMIT:
        yield f"{len(items)} items"
    for place, (item, scored) in enumerate(zip(items, ranking, strict=False)):
        if item["id"] != scored.media_id:
            yield f"place {place}: {item['id']}, not {scored.media_id}"
        elif abs(item["recommendation_score"] - scored.recommendation_score) > _ROUNDING:
            yield f"place {place}: {item['recommendation_score']}, not {scored.recommendation_score}"


def _strategy(ranking: Sequence[Scored]) -> str:
    content = any(scored.content_score > 0 for scored in ranking)
    collaborative = any(scored.collaborative_score > 0 for scored in ranking)
    if content and collaborative:
        return "hybrid"
    return "content" if content else "collaborative" if collaborative else "popular"
