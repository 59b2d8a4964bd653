"""Checks of the rows of statements in SQL_PATH: can the service use their binary ids and counts?"""

from collections.abc import Collection, Iterator, Mapping

from config.ranking_settings import InteractionTypes
from recommender.catalog.item_keys import words_of_keys
from recommender.databases.engagement_db import HISTORY_ROWS
from recommender.databases.inspection import Inspection
from recommender.databases.queries import Query
from recommender.diagnostics.findings import CONTRACT, Finding, Level, share
from recommender.domains.base import Domain
from recommender.entities import DatabaseName
from recommender.errors import InspectionError

# How many users' histories are read, and how many counts of items.
_USERS, _ITEMS = 100, 1_000_000
_COUNTS = ("count_positive_users", "count_active_users")
# The statement of each database that returns binary ids.
_WITH_KEYS = {DatabaseName.CATALOG: "fetch_catalogue", DatabaseName.ENGAGEMENT: "fetch_histories"}


def check_keys(
    name: DatabaseName,
    inspection: Inspection,
    queries: Mapping[str, Query],
    types: InteractionTypes,
    domain: Domain,
    *,
    overlaid: Collection[str],
) -> Iterator[Finding]:
    """Yield findings on the binary ids of statements replaced in SQL_PATH; the server must accept them."""
    statement = _WITH_KEYS.get(name)
    if statement is None or statement not in overlaid:
        return
    try:
        if name is DatabaseName.CATALOG:
            # The key follows the id and the indexed attributes.
            widths = inspection.widths(queries[statement], len(domain.indexed) + 1, {})
        else:
            users = inspection.column(queries["stream_users"], 0, {}, _USERS)
            # The key is the last column.
            widths = inspection.widths(queries[statement], -1, _of_histories(users, types))
    except InspectionError as exc:
        to_do = f"Correct {queries[statement].path} ({CONTRACT})."
        yield Finding(Level.ERROR, name, "keys", f"{statement} fails when it runs: {exc}", to_do)
        return
    if widths:
        yield _finding(name, queries[statement], widths)


def _of_histories(users: list[str], types: InteractionTypes) -> dict[str, object]:
    own = {"user_ids": users, "excluding_types": list(types.excluding), "rows_per_user": HISTORY_ROWS}
    return {**_reading(types, "-infinity"), **own}


def check_popularity(
    inspection: Inspection,
    queries: Mapping[str, Query],
    types: InteractionTypes,
    window_start: str,
    *,
    overlaid: Collection[str],
) -> Iterator[Finding]:
    """Yield findings on the numbers of users, if a statement in SQL_PATH counts them."""
    name, own = DatabaseName.ENGAGEMENT, [query for query in _COUNTS if query in overlaid]
    if not own:
        return
    of_items, of_all = (queries[query] for query in _COUNTS)
    parameters = _reading(types, window_start)
    try:
        (users,) = inspection.column(of_all, 0, parameters, 1)
        counts = [count or 0 for count in inspection.column(of_items, 1, parameters, _ITEMS)]
    except (InspectionError, ValueError) as exc:
        to_do = f"Correct {queries[own[0]].path} ({CONTRACT})."
        yield Finding(Level.ERROR, name, "popularity", f"the users cannot be counted: {exc}", to_do)
        return
    above = sum(count > users for count in counts)
    if above:
        means = (
            f"{of_items.name} returns more users than there are for {share(above, len(counts))} of "
            f"{len(counts):,} media: their idf is 0, so that sharing them makes no users similar"
        )
        to_do = f"Count the users who liked or watched each medium, not its views ({CONTRACT})."
        yield Finding(Level.WARNING, name, "popularity", means, to_do)
    elif counts:
        means = f"{of_items.name} returns at most {max(counts):,} of {users:,} users for a medium"
        yield Finding(Level.OK, name, "popularity", means)


def _reading(types: InteractionTypes, window_start: str) -> dict[str, object]:
    """Return the parameters of a statement that reads interactions in a window up to now."""
    return {
        "window_start": window_start,
        "known_until": "infinity",
        "like_types": list(types.likes),
        "watch_types": list(types.watches),
        "dislike_types": list(types.dislikes),
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
