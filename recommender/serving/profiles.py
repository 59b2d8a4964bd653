"""Reads what the explorer shows of users: search results, stated genres, latest interactions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from recommender.catalog.item_cache import ItemCache
from recommender.databases.catalog_db import CatalogDatabase
from recommender.databases.engagement_db import EngagementDatabase, InteractionRow
from recommender.databases.user_db import UserDatabase
from recommender.deadline import ENGAGEMENT_DB_SHARE, USER_DB_SHARE, Deadline
from recommender.entities import DatabaseName, Item
from recommender.serving.failures import Failures
from recommender.texts.names import distinct_names


@dataclass(frozen=True, slots=True)
class FoundUser:
    """A user found by a search. `genres`: stated genres, as returned by `distinct_names`."""

    user_id: str
    genres: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FoundUsers:
    """Users sorted by id. `more`: whether there are others. `missing`: databases that did not answer."""

    users: tuple[FoundUser, ...]
    more: bool
    missing: tuple[DatabaseName, ...]


@dataclass(frozen=True, slots=True)
class Interaction:
    """An interaction of a user. `details`: None if the catalog does not have the item."""

    item_id: str
    details: Item | None
    type: str | None
    value: float | None
    happened_at: datetime | None


@dataclass(frozen=True, slots=True)
class Profile:
    """A user. Data of a missing database are empty. `interactions`: latest first."""

    user_id: str
    genres: tuple[str, ...]
    interactions: tuple[Interaction, ...]
    missing: tuple[DatabaseName, ...]


class ProfileReader:
    """Reads profiles, each in a fixed number of statements and within a time budget."""

    def __init__(
        self,
        *,
        user_db: UserDatabase,
        catalog_db: CatalogDatabase,
        engagement_db: EngagementDatabase,
        item_cache: ItemCache,
        time_budget_s: float,
    ) -> None:
        self._user_db = user_db
        self._catalog_db = catalog_db
        self._engagement_db = engagement_db
        self._item_cache = item_cache
        self._time_budget_s = time_budget_s

    def search(self, prefix: str, top_k: int) -> FoundUsers:
        """Return the first users, of either database, whose id begins with `prefix` (any text)."""
        if not prefix.isprintable():
            # PostgreSQL's text cannot hold every character that can be typed, and no id has such characters.
            return FoundUsers(users=(), more=False, missing=())
        deadline = Deadline.after(self._time_budget_s)
        failures = Failures()
        first, second = deadline.share(USER_DB_SHARE), deadline.share(ENGAGEMENT_DB_SHARE)
        # Read one more than is shown, to know whether there are more.
        wanted = top_k + 1
        stated: Sequence[str] = ()
        active: Sequence[str] = ()
        with failures:
            stated = self._user_db.search_users(prefix, wanted, first)
        with failures:
            active = self._engagement_db.search_users(prefix, wanted, second)
        found = sorted({*stated, *active})[:wanted]
        shown = found[:top_k]
        genres = self._genres(shown, deadline, failures)
        return FoundUsers(
            users=tuple(FoundUser(user_id, genres.get(user_id, ())) for user_id in shown),
            more=len(found) > top_k,
            missing=failures.names,
        )

    def random_user_id(self) -> str | None:
        """Return the id of a random user with interactions; None if there are none.

        Raises:
            DatabaseUnavailableError: engagement_db did not answer.
        """
        return self._engagement_db.fetch_random_user(Deadline.after(self._time_budget_s))

    def read(self, user_id: str, top_k: int) -> Profile:
        """Return a user's stated genres and latest `top_k` interactions; empty for an unknown user."""
        deadline = Deadline.after(self._time_budget_s)
        failures = Failures()
        genres = self._genres([user_id], deadline.share(USER_DB_SHARE), failures)
        rows: Sequence[InteractionRow] = ()
        with failures:
            until = deadline.share(ENGAGEMENT_DB_SHARE)
            rows = self._engagement_db.fetch_recent_interactions(user_id, top_k, until)
        details = self._details([row.item_id for row in rows], deadline, failures)
        return Profile(
            user_id=user_id,
            genres=genres.get(user_id, ()),
            interactions=tuple(
                Interaction(
                    item_id=row.item_id,
                    details=details.get(row.item_id),
                    type=row.type,
                    value=row.value,
                    happened_at=_moment(row.happened_at),
                )
                for row in rows
            ),
            missing=failures.names,
        )

    def _genres(
        self, user_ids: Sequence[str], deadline: Deadline, failures: Failures
    ) -> dict[str, tuple[str, ...]]:
        if not user_ids:
            return {}
        stated: Mapping[str, Sequence[str]] = {}
        with failures:
            stated = self._user_db.fetch_genre_preferences(user_ids, deadline)
        return {user_id: tuple(distinct_names(names).values()) for user_id, names in stated.items()}

    def _details(self, item_ids: Sequence[str], deadline: Deadline, failures: Failures) -> Mapping[str, Item]:
        """Return details by id, cached ones if catalog_db does not answer."""
        if not item_ids:
            return {}
        distinct = list(dict.fromkeys(item_ids))
        with failures:
            details = self._catalog_db.fetch_items(distinct, deadline, self._item_cache.known)
            self._item_cache.remember(details)
            return details
        return self._item_cache.snapshot()


def _moment(text: str | None) -> datetime | None:
    """Parse a time; None for years that Python does not support but PostgreSQL does."""
    try:
        return None if text is None else datetime.fromisoformat(text)
    except ValueError:
        return None
