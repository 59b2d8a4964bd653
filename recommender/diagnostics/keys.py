"""Checks of binary ids: can the service use those that the app's own statements return?"""

from collections.abc import Collection, Iterator, Mapping

from config.ranking_settings import InteractionTypes
from recommender.catalog.item_keys import words_of_keys
from recommender.databases.engagement_db import HISTORY_ROWS
from recommender.databases.inspection import Inspection
from recommender.databases.queries import Query
from recommender.diagnostics.findings import CONTRACT, Finding, Level
from recommender.domains.base import Domain
from recommender.entities import DatabaseName
from recommender.errors import InspectionError

# How many users' histories are read.
_USERS = 100


def check_keys(
    name: DatabaseName,
    inspection: Inspection,
    queries: Mapping[str, Query],
    types: InteractionTypes,
    domain: Domain,
    *,
    overlaid: Collection[str],
) -> Iterator[Finding]:
    """Yield findings on the binary ids of statements replaced in SQL_PATH; they were found to prepare."""
    statement = {DatabaseName.CATALOG: "fetch_catalogue", DatabaseName.ENGAGEMENT: "fetch_histories"}.get(
        name
    )
    if statement is None or statement not in overlaid:
        return
    try:
        if name is DatabaseName.CATALOG:
            widths = inspection.widths(queries[statement], len(domain.indexed) + 1, {})
        else:
            users = inspection.column(queries["stream_users"], 0, {}, _USERS)
            widths = inspection.widths(queries[statement], -1, _of_histories(users, types))
    except InspectionError as exc:
        to_do = f"Correct {queries[statement].path} ({CONTRACT})."
        yield Finding(Level.ERROR, name, "keys", f"{statement} fails when it runs: {exc}", to_do)
        return
    if widths:
        yield _finding(name, queries[statement], widths)


def _of_histories(users: list[str], types: InteractionTypes) -> dict[str, object]:
    return {
        "user_ids": users,
        "window_start": "-infinity",
        "known_until": "infinity",
        "like_types": list(types.likes),
        "watch_types": list(types.watches),
        "dislike_types": list(types.dislikes),
        "excluding_types": list(types.excluding),
        "rows_per_user": HISTORY_ROWS,
    }


def _finding(name: DatabaseName, query: Query, widths: Collection[int | None]) -> Finding:
    known = {width for width in widths if width is not None}
    fault = "keys that are NULL" if len(known) < len(widths) else ""
    try:
        words_of_keys(known)
    except ValueError as exc:
        fault = fault or str(exc)
    if not fault:
        return Finding(Level.OK, name, "keys", f"{query.name} returns keys of {max(known)} bytes")
    to_do = f"Return binary ids of one width, a multiple of 8 bytes, in {query.path} ({CONTRACT})."
    return Finding(Level.ERROR, name, "keys", f"{query.name} returns {fault}", to_do)
