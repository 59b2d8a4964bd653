"""The definitions of docs/explanation/algorithm.md, computed slowly and plainly from the raw tables.

Shares no code, SQL or database driver with the service.
"""

import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

import psycopg2

from recommender.entities import DatabaseName

Row = tuple[Any, ...]

_GAP = re.compile("[\\s\N{ZERO WIDTH SPACE}\N{WORD JOINER}\N{ZERO WIDTH NO-BREAK SPACE}]+")


def plain_name(name: str) -> str:
    """Return the one form that all spellings of a genre share."""
    decomposed = unicodedata.normalize("NFD", _GAP.sub(" ", name).strip(" "))
    return unicodedata.normalize("NFC", decomposed.casefold())


@dataclass(frozen=True)
class Scored:
    """One item of a user's full ranking, unrounded. `exact`: the score, times a number all items share."""

    item_id: str
    recommendation_score: float
    content_score: float
    collaborative_score: float
    exact: int = 0


@dataclass
class Reference:
    """The rows of the databases, and the values derived from them."""

    urls: Mapping[DatabaseName, str]
    window_days: int = 90
    similar_users: int = 50
    now: datetime = field(default_factory=lambda: datetime.now(UTC).replace(tzinfo=None))

    def rows(self, name: DatabaseName, query: str) -> list[Row]:
        connection = psycopg2.connect(self.urls[name])
        try:
            with connection.cursor() as cursor:
                cursor.execute(query)
                return cursor.fetchall()
        finally:
            connection.close()

    @cached_property
    def genres_of_user(self) -> dict[str, set[str]]:
        owners = {
            row[0] for row in self.rows(DatabaseName.USER, "SELECT user_id::text FROM user_preferences")
        }
        genres = defaultdict(set)
        for user, genre in self.rows(
            DatabaseName.USER, "SELECT user_id::text, genre_name FROM tb_user_genre"
        ):
            if user in owners and genre is not None:
                genres[user].add(plain_name(genre))
        for stated in genres.values():
            stated.discard("")
        return genres

    @cached_property
    def catalog(self) -> set[str]:
        rows = self.rows(DatabaseName.CATALOG, "SELECT id::text, deleted_at FROM medias")
        return {item_id for item_id, deleted_at in rows if deleted_at is None}

    @cached_property
    def genres_of_items(self) -> dict[str, set[str]]:
        genres = defaultdict(set)
        for item_id, genre in self.rows(
            DatabaseName.CATALOG, "SELECT media_id::text, genre_name FROM tb_media_genre"
        ):
            if genre is not None:
                genres[item_id].add(plain_name(genre))
        for named in genres.values():
            named.discard("")
        return genres

    @cached_property
    def interactions(self) -> list[Row]:
        return self.rows(
            DatabaseName.ENGAGEMENT,
            "SELECT user_id::text, media_id::text, type, interaction_value, timestamp FROM interaction",
        )

    @cached_property
    def window_rows(self) -> list[Row]:
        """Return the interactions in the window that have a user and an item."""
        start = self.now - timedelta(days=self.window_days or 36_500)
        end = self.now + timedelta(days=1)
        return [
            row
            for row in self.interactions
            if None not in (row[0], row[1], row[4]) and start <= row[4] <= end
        ]

    @cached_property
    def disliked(self) -> set[tuple[str, str]]:
        """Return pairs of user and item whose latest verdict is a dislike."""
        verdicts: dict[tuple[str, str], tuple[datetime, bool]] = {}
        for user, item_id, kind, _, at in self.window_rows:
            if kind in {"LIKE", "DISLIKE"}:
                verdict = (at, kind == "DISLIKE")
                verdicts[user, item_id] = max(verdicts.get((user, item_id), verdict), verdict)
        return {pair for pair, (_, is_dislike) in verdicts.items() if is_dislike}

    @cached_property
    def positive_rows(self) -> list[tuple[str, str, int]]:
        """Return likes and watches that count, with their values in billionths."""
        return [
            (user, item_id, round((value or 0.0) * 1e9))
            for user, item_id, kind, value, _ in self.window_rows
            if kind in {"LIKE", "WATCH"} and (user, item_id) not in self.disliked
        ]

    @cached_property
    def positive(self) -> dict[str, set[str]]:
        """Return P(u)."""
        positive = defaultdict(set)
        for user, item_id, _ in self.positive_rows:
            positive[user].add(item_id)
        return positive

    @cached_property
    def seen(self) -> dict[str, set[str]]:
        seen = defaultdict(set)
        for user, item_id, *_ in self.interactions:
            if user is not None and item_id is not None:
                seen[user].add(item_id)
        return seen

    @cached_property
    def popularity(self) -> Counter[str]:
        return Counter(item_id for items in self.positive.values() for item_id in items)

    @cached_property
    def values(self) -> dict[str, dict[str, list[int]]]:
        """Return the values of each user's items, in billionths."""
        values: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        for user, item_id, value in self.positive_rows:
            values[user][item_id].append(value)
        return values

    @cached_property
    def users(self) -> list[str]:
        """Return all users of the databases."""
        return sorted(set(self.genres_of_user) | set(self.seen))

    def idf(self, item_id: str) -> float:
        return math.log(len(self.positive) / self.popularity[item_id])

    def similarity(self, liked: set[str], other: str) -> float:
        shared = liked & self.positive[other]
        return math.fsum(self.idf(item_id) for item_id in shared) / math.sqrt(len(self.positive[other]) + 10)

    def similar(self, user: str) -> list[str]:
        return self.similar_to(self.positive.get(user, set()), but=user)

    def similar_to(self, liked: set[str], *, but: str = "") -> list[str]:
        """Return the most similar users for these positive items."""
        similarities = {other: self.similarity(liked, other) for other in self.positive if other != but}
        ranked = sorted(
            (other for other in similarities if similarities[other] > 0),
            key=lambda other: (-similarities[other], other),
        )
        return ranked[: self.similar_users]

    def matched(self, stated: set[str], item_id: str) -> int:
        """Return how many of the stated genres an item has."""
        return len(self.genres_of_items.get(item_id, set()) & stated)

    def fans(self, neighbours: list[str], item_id: str) -> list[str]:
        """Return the similar users who have an item."""
        return [other for other in neighbours if item_id in self.positive[other]]

    def products(self, neighbours: list[str], eligible: set[str]) -> dict[str, int]:
        """Return the numbers of fans, times the sums of their values in billionths; none below 0."""
        products = {}
        for item_id in eligible:
            fans = self.fans(neighbours, item_id)
            total = sum(value for other in fans for value in self.values[other][item_id])
            products[item_id] = max(0, len(fans) * total)
        return products

    def collaborative_scores(self, neighbours: list[str], eligible: set[str]) -> dict[str, float]:
        products = self.products(neighbours, eligible)
        best = max(products.values(), default=0) or 1
        # Python divides integers exactly, and rounds once.
        return {item_id: product / best for item_id, product in products.items()}

    def rank(self, user: str, *, without: tuple[DatabaseName, ...] = ()) -> list[Scored]:
        """Return the full ranking, `without` the databases that are down."""
        stated = set() if DatabaseName.USER in without else self.genres_of_user.get(user, set())
        if DatabaseName.ENGAGEMENT in without:
            return self.rank_for(stated, [], set())
        return self.rank_for(stated, self.similar(user), self.seen.get(user, set()))

    def rank_for(self, stated: set[str], neighbours: list[str], seen: set[str]) -> list[Scored]:
        """Return the full ranking for a user with these facts."""
        eligible = self.catalog - seen
        products = self.products(neighbours, eligible)
        best = max(products.values(), default=0) or 1
        # 2/5 of the content score plus 3/5 of the collaborative one, over a denominator that all items share.
        # Integers are as exact as fractions, and quicker. Python's division of integers rounds once.
        whole = len(stated) or 1
        scored = []
        for item_id in eligible:
            matched, product = self.matched(stated, item_id), products[item_id]
            exact = 2 * matched * best + 3 * product * whole
            scored.append(Scored(item_id, exact / (5 * whole * best), matched / whole, product / best, exact))
        scored.sort(key=lambda s: (-s.exact, -self.popularity[s.item_id], s.item_id))
        return scored

    def telling(self, liked: list[str], neighbours: list[str], item_id: str) -> list[tuple[float, str]]:
        """Return the items of a history by their part in the similarity of an item's users, largest first.

        An item does not tell of itself. Where its users add nothing to its score, no item tells of them.
        """
        if not self.products(neighbours, {item_id})[item_id]:
            return []
        fans = self.fans(neighbours, item_id)
        parts = [
            (
                math.fsum(
                    self.idf(own) / math.sqrt(len(self.positive[fan]) + 10)
                    for fan in fans
                    if own in self.positive[fan]
                ),
                own,
            )
            for own in liked
            if own in self.catalog and own != item_id
        ]
        return sorted((part for part in parts if part[0] > 0), key=lambda part: -part[0])

    def cosine(self, one: str, other: str) -> float:
        """Return the cosine similarity of two items, over the users who have them."""
        users, others = (
            {user for user, items in self.positive.items() if item_id in items} for item_id in (one, other)
        )
        return len(users & others) / math.sqrt(len(users) * len(others)) if users and others else 0.0
