"""The correct answers for the reported state and for the current change of data."""

import contextlib
import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from recommender.entities import DatabaseName
from tests.soak.data import SoakData
from tests.support.reference import Reference, Scored

USER, CATALOG, ENGAGEMENT = DatabaseName
_ROUNDING = 1e-4
LIMIT = 10
# The number of common rankings while popularity changes.
_LIKELY = 3


class Change(StrEnum):
    """A change of rows, during which more than one answer is right."""

    MOVED = "popularity moved"
    EMPTIED = "interactions emptied"
    RELOADED = "catalog reloaded"


@dataclass
class _Period:
    change: Change
    began_at: float
    ended_at: float | None = None

    def overlaps(self, since: float) -> bool:
        return self.ended_at is None or self.ended_at >= since


class _Rankings:
    """Whole rankings by one reference, each computed at its first use."""

    def __init__(self, reference: Reference) -> None:
        self._reference = reference
        self._found: dict[tuple[str, bool, bool], list[Scored]] = {}

    def of(self, user: str, *, with_genres: bool = True, with_history: bool = True) -> list[Scored]:
        """Return a user's ranking, with or without the data of user_db and of engagement_db."""
        key = (user, with_genres, with_history)
        if key not in self._found:
            without = [name for name, known in ((USER, with_genres), (ENGAGEMENT, with_history)) if not known]
            self._found[key] = self._reference.rank(user, without=tuple(without))
        return self._found[key]


class Expectations:
    """The whole rankings of some users, for every state and change that scores depend on."""

    def __init__(self, data: SoakData, users: Sequence[str]) -> None:
        self._catalog = data.settled.catalog
        self._seen = data.settled.seen
        self._settled = _Rankings(data.settled)
        self._while_moving = [_Rankings(reference) for reference in data.while_moving]
        # The ranking without engagement_db: by the popularity in the index.
        self._moved = _Rankings(data.moved)
        self._periods: list[_Period] = []
        self._rows_changed: list[tuple[float, float]] = []
        for user in users:
            self._work_out_likely_ones(user)

    def _work_out_likely_ones(self, user: str) -> None:
        """Compute the likely rankings now, while no client waits."""
        for with_genres, with_history in itertools.product((True, False), repeat=2):
            self._settled.of(user, with_genres=with_genres, with_history=with_history)
        for rankings in self._while_moving[:_LIKELY]:
            rankings.of(user)

    @contextlib.contextmanager
    def during(self, change: Change) -> Iterator[None]:
        """Also accept the answers that are right after a change, for requests during it."""
        period = _Period(change, time.monotonic())
        self._periods = [*self._periods, period]
        try:
            yield
        finally:
            period.ended_at = time.monotonic()

    @contextlib.contextmanager
    def rows_changing(self) -> Iterator[None]:
        """Expect no agreement between pages that were fetched before and after."""
        began_at = time.monotonic()
        try:
            yield
        finally:
            self._rows_changed = [*self._rows_changed, (began_at, time.monotonic())]

    def violations(self, user: str, page: Mapping[str, Any], since: float, offset: int = 0) -> list[str]:
        """Return the faults of a user's page that was requested at `since`."""
        degraded = [DatabaseName(name) for name in page["degraded"]]
        changes = self._changes(since)
        fewest: list[str] | None = None
        for ranking in self._acceptable(user, degraded, changes):
            found = list(_differences(page, ranking, offset, some_missing=CATALOG in degraded))
            fewest = found if fewest is None else min(fewest, found, key=len)
            if not fewest:
                return []
        assert fewest is not None
        if Change.RELOADED in changes:
            # A request that met items gone, and then back, leaves out those that it did not find.
            fewest = list(self._misfits(user, page, offset))
        return [f"{problem}, without {degraded}, {sorted(changes)}" for problem in fewest]

    def paging_violations(self, user: str, pages: Sequence[Mapping[str, Any]], since: float) -> list[str]:
        """Return the items that pages of one index repeat or skip; the first was requested at `since`."""
        found = []
        if len({page["index"] for page in pages}) > 1:
            found.append("pages of more than one index")
        if not self._must_fit_together(user, pages, since):
            return found
        shown = [item["id"] for page in pages for item in page["recommendations"]]
        if len(set(shown)) < len(shown):
            found.append("a item came twice")
        changes = self._changes(since)
        rankings = self._acceptable(user, (), changes)
        if shown not in ([scored.item_id for scored in ranking[: len(shown)]] for ranking in rankings):
            found.append(f"the pages together are no ranking, {sorted(changes)}")
        return found

    def _must_fit_together(self, user: str, pages: Sequence[Mapping[str, Any]], since: float) -> bool:
        """Return whether only the index can have changed the ranking between the pages."""
        if any(page["degraded"] for page in pages) or Change.RELOADED in self._changes(since):
            return False
        if user not in self._seen:
            # A user without a history has no similar users, whose likes would count at once.
            return True
        return not any(ended_at >= since for _, ended_at in self._rows_changed)

    def _changes(self, since: float) -> set[Change]:
        return {period.change for period in self._periods if period.overlaps(since)}

    def _acceptable(
        self, user: str, degraded: Sequence[DatabaseName], changes: set[Change]
    ) -> Iterator[list[Scored]]:
        """Yield every ranking that may be right, the more likely ones first."""
        is_moving, with_genres = Change.MOVED in changes, USER not in degraded
        if ENGAGEMENT not in degraded:
            yield self._settled.of(user, with_genres=with_genres)
            for rankings in self._while_moving if is_moving else ():
                yield rankings.of(user, with_genres=with_genres)
        if ENGAGEMENT in degraded or Change.EMPTIED in changes:
            for rankings in (self._settled, *((self._moved,) if is_moving else ())):
                ranking = rankings.of(user, with_genres=with_genres, with_history=False)
                yield ranking
                # engagement_db may have returned the user's history, and failed at those of similar users.
                seen = self._seen.get(user, set())
                yield [scored for scored in ranking if scored.item_id not in seen]

    def _misfits(self, user: str, page: Mapping[str, Any], offset: int) -> Iterator[str]:
        """Return the faults of a page whose state is unknown."""
        shown = [item["id"] for item in page["recommendations"]]
        # Later pages may be at the end.
        if len(shown) != LIMIT and not offset and not page["degraded"]:
            yield f"{len(shown)} items"
        if len(set(shown)) < len(shown):
            yield "a item came twice"
        if not self._catalog.issuperset(shown):
            yield "a item that is not in the catalog"
        if ENGAGEMENT not in page["degraded"] and self._seen.get(user, set()).intersection(shown):
            yield "a item that the user has seen"


def _differences(
    page: Mapping[str, Any], ranking: Sequence[Scored], offset: int, *, some_missing: bool
) -> Iterator[str]:
    items = page["recommendations"]
    if page["strategy"] != _strategy(ranking):
        yield f"strategy {page['strategy']}"
    if some_missing:
        # Items whose details are not cached are left out; the others keep order and scores.
        shown = {item["id"] for item in items}
        expected = [scored for scored in ranking if scored.item_id in shown]
        if len(expected) < len(items):
            yield "a item that is not in the ranking, or came twice"
    else:
        expected = list(ranking[offset : offset + LIMIT])
        if len(items) != len(expected):
            yield f"{len(items)} items, not {len(expected)}"
    for place, (item, scored) in enumerate(zip(items, expected, strict=False)):
        if item["id"] != scored.item_id:
            yield f"place {place}: {item['id']}, not {scored.item_id}"
        elif abs(item["recommendation_score"] - scored.recommendation_score) > _ROUNDING:
            yield f"place {place}: {item['recommendation_score']}, not {scored.recommendation_score}"


def _strategy(ranking: Sequence[Scored]) -> str:
    content = any(scored.content_score > 0 for scored in ranking)
    collaborative = any(scored.collaborative_score > 0 for scored in ranking)
    if content and collaborative:
        return "hybrid"
    return "content" if content else "collaborative" if collaborative else "popular"
