"""Rows that are added to the generated data, and the answers that follow from them."""

import math
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property

import psycopg

from recommender.entities import DatabaseName
from tests.support.postgres import Urls
from tests.support.reference import Reference, Row

# Years long: no interaction enters or leaves the window while the clock is stepped by days.
WINDOW_DAYS = 3650

# A user with many more interactions than are read at once, all with items that are not in the catalog. So
# this user is similar to no other, and affects rankings only through U, the number of users.
HEAVY_USER = "ffffffff-0000-4000-8000-000000000001"
_HEAVY_INTERACTIONS, _HEAVY_ITEMS, _HEAVY_FROM_ID = 300_000, 300, 10_000_000

# Users that are added and removed. They move the least popular items almost to the top.
_MOVERS, _MOVED_ITEMS, _MOVERS_FROM_ID = 60, 10, 20_000_000
_MOVER = "eeeeeeee-0000-4000-8000-{:012d}"


def add_heavy_user(urls: Urls) -> None:
    """Insert the heavy user with two stated genres."""
    with psycopg.connect(urls[DatabaseName.USER]) as connection:
        connection.execute("INSERT INTO user_preferences VALUES (%s, %s)", (HEAVY_USER, HEAVY_USER))
        connection.execute(
            "INSERT INTO tb_user_genre SELECT %s, genre_name FROM tb_user_genre "
            "WHERE genre_name <> '' GROUP BY genre_name ORDER BY count(*) DESC, genre_name LIMIT 2",
            (HEAVY_USER,),
        )
    with psycopg.connect(urls[DatabaseName.ENGAGEMENT], autocommit=True) as connection:
        connection.execute(
            "INSERT INTO interaction SELECT %(first)s + n, %(user)s, md5((n %% %(media)s)::text)::uuid, "
            "CASE n %% 7 WHEN 0 THEN 'LIKE' ELSE 'WATCH' END, 1.0, "
            "(now() AT TIME ZONE 'UTC') - n * interval '20 seconds' FROM generate_series(1, %(rows)s) AS n",
            {
                "first": _HEAVY_FROM_ID,
                "user": HEAVY_USER,
                "media": _HEAVY_ITEMS,
                "rows": _HEAVY_INTERACTIONS,
            },
        )
        connection.execute("VACUUM (ANALYZE) interaction")


@dataclass
class _Lagging(Reference):
    """Interactions of one state, ranked by an index that was counted from another."""

    counted: Reference = field(kw_only=True)

    @cached_property
    def popularity(self) -> Counter[str]:
        return self.counted.popularity

    def idf(self, item_id: str) -> float:
        ratio = len(self.counted.positive) / max(1, self.popularity[item_id])
        return max(0.0, math.log(ratio))


class SoakData:
    """The interactions without and with those of the movers, each as a reference."""

    def __init__(self, urls: Urls) -> None:
        """Read everything. The databases must hold the heavy user, and no mover."""
        self._urls = urls
        self.settled = self._reference()
        self.settled.interactions = _once_an_item(self.settled.interactions)
        self.movements = self._movements()
        self.moved = self._reference()
        self.moved.interactions = [*self.settled.interactions, *(row[1:] for row in self.movements)]
        # Likes count at once, popularity with the next index. The more likely states come first.
        self.while_moving: list[Reference] = [
            self._lagging(self.moved, self.settled),
            self.moved,
            self._lagging(self.settled, self.moved),
        ]

    def _reference(self) -> Reference:
        return Reference(self._urls, window_days=WINDOW_DAYS)

    def _lagging(self, rows: Reference, counted: Reference) -> Reference:
        lagging = _Lagging(self._urls, window_days=WINDOW_DAYS, counted=counted)
        lagging.interactions = rows.interactions
        return lagging

    def _movements(self) -> list[Row]:
        """Return rows of the table `interaction`. Two of three movers like each of the media."""
        least_popular = sorted(
            self.settled.catalog, key=lambda item_id: (self.settled.popularity[item_id], item_id)
        )
        at = datetime.now(UTC).replace(tzinfo=None)
        pairs = [
            (_MOVER.format(mover), item_id)
            for mover in range(_MOVERS)
            for place, item_id in enumerate(least_popular[:_MOVED_ITEMS])
            if (mover + place) % 3
        ]
        return [
            (_MOVERS_FROM_ID + number, user, item_id, "LIKE", 1.0, at)
            for number, (user, item_id) in enumerate(pairs)
        ]


def _once_an_item(rows: list[Row]) -> list[Row]:
    """The rows, with only one for each of the heavy user's items: more change no ranking of another."""
    kept, met = [], set()
    for row in rows:
        if row[0] == HEAVY_USER:
            if row[1] in met:
                continue
            met.add(row[1])
        kept.append(row)
    return kept
