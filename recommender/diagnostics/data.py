"""Checks of the data: is there enough, and do the three databases share users and items?"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from config.ranking_settings import InteractionTypes
from recommender.databases.inspection import Inspection
from recommender.diagnostics.findings import CONTRACT, Finding, Level, share
from recommender.diagnostics.genres import Genres, look_at_genres
from recommender.diagnostics.interaction_types import TypeFacts, look_at_types
from recommender.entities import DatabaseName
from recommender.errors import InspectionError

USER, CATALOG, ENGAGEMENT = DatabaseName

# Every real database has orphaned rows: a larger share is worth a warning.
_STRAY = 0.1
# A larger share looks like a wrong join or an empty table.
_MOST = 0.5

Keys = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class UserFacts:
    """Counts of user_db. `rows_by_id`: genre rows with a preferences id, not a user's; None if unknown."""

    users: int
    users_with_genres: int
    genre_rows: int
    lost_genre_rows: int
    rows_by_id: int | None
    idless_rows: int
    user_keys: Keys


@dataclass(frozen=True, slots=True)
class CatalogFacts:
    """Counts of catalog_db, and a key of each item."""

    items: int
    deleted_items: int
    items_without_genres: int
    idless_rows: int
    repeated_rows: int
    item_keys: Keys


@dataclass(frozen=True, slots=True)
class EngagementFacts:
    """Counts of engagement_db. `item_keys`, `item_counts`: each item once, with its interactions.

    `idless_rows` are not among the `interactions`; `future_interactions` lie after the end of the window.
    """

    idless_rows: int
    interactions: int
    recent_interactions: int
    undated_interactions: int
    future_interactions: int
    item_keys: Keys
    item_counts: Keys
    user_keys: Keys


@dataclass(slots=True)
class Facts:
    """Facts on the three databases; None for one that did not answer."""

    users: UserFacts | None = None
    catalog: CatalogFacts | None = None
    engagement: EngagementFacts | None = None
    types: TypeFacts | None = None
    stated_genres: Genres | None = None
    item_genres: Genres | None = None

    def gather(self, name: DatabaseName, inspection: Inspection, window: tuple[str, str]) -> None:
        """Read the counts of one database; `window` is (from, to).

        Raises:
            InspectionError: PostgreSQL refuses.
        """
        if name is USER:
            self.users = _user_facts(inspection)
        elif name is CATALOG:
            self.catalog = _catalog_facts(inspection)
        else:
            self.engagement = _engagement_facts(inspection, window)

    def gather_meanings(
        self, name: DatabaseName, inspection: Inspection, window: tuple[str, str], types: InteractionTypes
    ) -> None:
        """Read the genres or interaction types of one database.

        Raises:
            InspectionError: PostgreSQL refuses.
        """
        if name is USER:
            self.stated_genres = look_at_genres(inspection)
        elif name is CATALOG:
            self.item_genres = look_at_genres(inspection)
        else:
            self.types = look_at_types(inspection, types, window)


def check_data(
    name: DatabaseName, facts: Facts, window_days: int, *, overlaid: Collection[str]
) -> Iterator[Finding]:
    """Yield findings on the data of one database; `overlaid`: statements replaced in SQL_PATH."""
    if name is USER and facts.users is not None:
        yield from _check_ids(name, facts.users.idless_rows, "user_preferences or tb_user_genre", "user_id")
        yield from _check_users(facts.users, own_join="fetch_genre_preferences" in overlaid)
    if name is CATALOG and facts.catalog is not None:
        yield from _check_ids(name, facts.catalog.idless_rows, "medias or tb_media_genre", "id or media_id")
        yield from _check_repeated(facts.catalog)
        yield from _check_items(facts.catalog)
    if name is ENGAGEMENT and facts.engagement is not None:
        yield from _check_ids(name, facts.engagement.idless_rows, "interaction", "user_id or media_id")
        yield from _check_interactions(facts.engagement, window_days)


def check_data_between(facts: Facts) -> Iterator[Finding]:
    """Yield findings on how far the databases share users and items."""
    if facts.users is not None and facts.engagement is not None:
        yield from _check_known_users(facts.users, facts.engagement)
    if facts.catalog is not None and facts.engagement is not None:
        yield from _check_known_items(facts.catalog, facts.engagement)


def _user_facts(inspection: Inspection) -> UserFacts:
    ((users, with_genres, genre_rows, lost_rows, idless_rows, user_keys),) = inspection.fetch("fetch_facts")
    rows_by_id = None
    if lost_rows:
        try:
            ((rows_by_id,),) = inspection.fetch("count_rows_by_id")
        except InspectionError:
            # The service does not need this column: it may be missing or not readable.
            rows_by_id = None
    return UserFacts(users, with_genres, genre_rows, lost_rows, rows_by_id, idless_rows, _keys(user_keys))


def _catalog_facts(inspection: Inspection) -> CatalogFacts:
    ((items, deleted, without_genres, idless, repeated, item_keys),) = inspection.fetch("fetch_facts")
    return CatalogFacts(items, deleted, without_genres, idless, repeated, _keys(item_keys))


def _engagement_facts(inspection: Inspection, window: tuple[str, str]) -> EngagementFacts:
    start, end = window
    ((idless, total, recent, undated, future, item_keys, item_counts),) = inspection.fetch(
        "fetch_facts", window_start=start, window_end=end
    )
    ((user_keys,),) = inspection.fetch("fetch_user_keys")
    keys = _keys(item_keys), _keys(item_counts), _keys(user_keys)
    return EngagementFacts(idless, total, recent, undated, future, *keys)


def _keys(values: bytes | None) -> Keys:
    return np.frombuffer(values or b"", dtype=">i8").astype(np.int64)


def _check_ids(name: DatabaseName, idless_rows: int, tables: str, columns: str) -> Iterator[Finding]:
    means = f"{idless_rows:,} rows of {tables} have no {columns}"
    if idless_rows:
        to_do = "Find what writes them, and delete them or add their ids."
        yield Finding(Level.WARNING, name, "ids", f"{means}: they are ignored", to_do)
    else:
        yield Finding(Level.OK, name, "ids", means)


def _check_repeated(facts: CatalogFacts) -> Iterator[Finding]:
    if facts.repeated_rows:
        means = f"{facts.repeated_rows:,} of {facts.items:,} rows of medias repeat the id of another row"
        to_do = (
            f"Return one row per id, for example of one language, in a view or in your own SQL ({CONTRACT})."
        )
        yield Finding(Level.WARNING, CATALOG, "repeated ids", f"{means}: one of each id is used", to_do)


def _check_users(facts: UserFacts, *, own_join: bool) -> Iterator[Finding]:
    if not facts.users:
        to_do = "Check that USER_DB_URL names the right database."
        yield Finding(Level.WARNING, USER, "users", "user_preferences is empty: no user stated genres", to_do)
    elif own_join:
        means = f"{facts.users:,} users; fetch_genre_preferences in SQL_PATH decides who stated genres"
        yield Finding(Level.OK, USER, "users", means)
        return
    else:
        stated = share(facts.users_with_genres, facts.users)
        level = Level.OK if facts.users_with_genres else Level.WARNING
        to_do = "" if facts.users_with_genres else "Check that tb_user_genre is filled, and joined as below."
        means = f"{facts.users:,} users, of whom {stated} stated genres"
        yield Finding(level, USER, "users", means, to_do)
    if facts.genre_rows:
        yield _joined_preferences(facts)


def _joined_preferences(facts: UserFacts) -> Finding:
    about = "preferences"
    means = f"of {facts.genre_rows:,} rows in tb_user_genre, {share(facts.lost_genre_rows, facts.genre_rows)}"
    means += " match no user_preferences.user_id"
    if not _is_over(_STRAY, facts.lost_genre_rows, facts.genre_rows):
        return Finding(Level.OK, USER, about, means)
    level = Level.ERROR if facts.lost_genre_rows == facts.genre_rows else Level.WARNING
    to_do = (
        "Check what tb_user_genre.user_id refers to: this is the usual sign of a join on the wrong column."
    )
    if facts.rows_by_id is not None and _is_over(_MOST, facts.rows_by_id, facts.lost_genre_rows):
        means += f", and {facts.rows_by_id:,} of those match user_preferences.id"
        to_do = (
            "The join is on the wrong column: put a fetch_genre_preferences that joins on "
            f"user_preferences.id under SQL_PATH/user_db/ ({CONTRACT})."
        )
    return Finding(level, USER, about, means, to_do)


def _check_items(facts: CatalogFacts) -> Iterator[Finding]:
    live = facts.items - facts.deleted_items
    means = f"{facts.items:,} media, of which {share(facts.deleted_items, facts.items)} are deleted"
    if not live:
        to_do = "Check that CATALOG_DB_URL names the right database."
        yield Finding(Level.ERROR, CATALOG, "media", f"{means}: there is nothing to recommend", to_do)
        return
    yield Finding(Level.OK, CATALOG, "media", means)
    means = f"{share(facts.items_without_genres, live)} of {live:,} media have none"
    if _is_over(_MOST, facts.items_without_genres, live):
        to_do = "Check that tb_media_genre is filled, and that its media_id is medias.id."
        yield Finding(
            Level.WARNING, CATALOG, "genres of media", f"{means}: they match no stated genres", to_do
        )
    else:
        yield Finding(Level.OK, CATALOG, "genres of media", means)


def _check_interactions(facts: EngagementFacts, window_days: int) -> Iterator[Finding]:
    window = f"in the last {window_days} days" if window_days else "with a timestamp"
    means = (
        f"{facts.interactions:,}, of which {share(facts.recent_interactions, facts.interactions)} {window}"
    )
    if not facts.interactions:
        to_do = "Check that ENGAGEMENT_DB_URL names the right database."
        means = "interaction is empty: there are no similar users, and nothing is popular"
        yield Finding(Level.WARNING, ENGAGEMENT, "interactions", means, to_do)
        return
    if facts.recent_interactions:
        yield Finding(Level.OK, ENGAGEMENT, "interactions", means)
    else:
        to_do = "Raise INTERACTION_WINDOW_DAYS, or find why there are no new ones."
        means += ": there are no similar users, and nothing is popular"
        yield Finding(Level.WARNING, ENGAGEMENT, "interactions", means, to_do)
    means = f"{share(facts.undated_interactions, facts.interactions)} of the interactions have none"
    if _is_over(_STRAY, facts.undated_interactions, facts.interactions):
        to_do = "Add one: interactions without a timestamp only mark items as seen."
        yield Finding(Level.WARNING, ENGAGEMENT, "timestamps", means, to_do)
    else:
        yield Finding(Level.OK, ENGAGEMENT, "timestamps", means)
    means = f"{share(facts.future_interactions, facts.interactions)} of the interactions are in the future"
    if facts.future_interactions:
        means += ", more than a day ahead of now: they lie in no window"
        to_do = "Find the wrong clock or unit (such as milliseconds taken for seconds), and correct them."
        yield Finding(Level.WARNING, ENGAGEMENT, "future timestamps", means, to_do)
    else:
        yield Finding(Level.OK, ENGAGEMENT, "future timestamps", means)


def _check_known_users(users: UserFacts, engagement: EngagementFacts) -> Iterator[Finding]:
    between = f"{USER}, {ENGAGEMENT}"
    known, active = len(users.user_keys), len(engagement.user_keys)
    if not known or not active:
        return
    both = int(np.isin(engagement.user_keys, users.user_keys).sum())
    means = (
        f"{share(both, known)} of {known:,} users in user_db have a history; "
        f"{share(active - both, active)} of {active:,} with a history are not in user_db"
    )
    if _is_over(_MOST, active - both, active):
        to_do = "Check that user_preferences.user_id and interaction.user_id are ids of the same users."
        yield Finding(Level.WARNING, between, "histories", means, to_do)
    else:
        yield Finding(Level.OK, between, "histories", means)


def _check_known_items(catalog: CatalogFacts, engagement: EngagementFacts) -> Iterator[Finding]:
    if not catalog.items or not engagement.interactions:
        return
    between = f"{CATALOG}, {ENGAGEMENT}"
    unknown = ~np.isin(engagement.item_keys, catalog.item_keys)
    lost = int(engagement.item_counts[unknown].sum())
    means = f"{share(lost, engagement.interactions)} of the interactions are with media not in the catalog"
    if _is_over(_STRAY, lost, engagement.interactions):
        to_do = (
            "Check that interaction.media_id is medias.id, and that both databases are of one app and day."
        )
        yield Finding(Level.WARNING, between, "media of interactions", means, to_do)
    else:
        yield Finding(Level.OK, between, "media of interactions", means)


def _is_over(limit: float, part: int, whole: int) -> bool:
    return part > limit * whole
