"""Checks of summed values: does a user with many repetitions decide what others are recommended?"""

from collections.abc import Collection, Iterator
from typing import NamedTuple

from config.ranking_settings import InteractionTypes
from recommender.databases.inspection import Inspection
from recommender.diagnostics.findings import Finding, Level
from recommender.entities import DatabaseName
from recommender.errors import InspectionError

ENGAGEMENT = DatabaseName.ENGAGEMENT

_ROWS = 1_000_000
# Of fewer pairs, 1 % is none.
_ENOUGH_PAIRS = 100
# If all values are equal, 1 % of the pairs hold 1 % of the sum.
_LARGE_SHARE = 0.2
# Statements that decide which values are summed.
_DECIDING = {"fetch_media_of_users", "fetch_media_of_users_repeated"}


class PairValues(NamedTuple):
    """How the values of likes and watches are spread over pairs of a user and an item.

    `top`: the sum of the values of the 1 % of pairs with the largest ones.
    """

    pairs: int
    total: float
    top: float
    largest: float
    typical: float


def check_pair_values(
    inspection: Inspection,
    types: InteractionTypes,
    window: tuple[str, str],
    *,
    overlaid: Collection[str],
) -> Iterator[Finding]:
    """Yield findings on the latest values in the window; `overlaid`: statements replaced in SQL_PATH."""
    if _DECIDING & set(overlaid):
        return
    start, end = window
    about = "values of pairs"
    try:
        (row,) = inspection.fetch(
            "fetch_pair_values",
            window_start=start,
            window_end=end,
            positive_types=list(types.positive),
            row_limit=_ROWS,
        )
    except InspectionError as exc:
        yield Finding(Level.OK, ENGAGEMENT, about, f"not checked: {exc}")
        return
    found = PairValues(*row)
    if found.pairs < _ENOUGH_PAIRS:
        return
    means = (
        f"the 1 % of {found.pairs:,} pairs of user and medium with the largest values hold "
        f"{100 * found.top / found.total:.1f} % of all; the largest is {found.largest:,.4g}, "
        f"a typical one {found.typical:,.4g}"
    )
    if found.top > _LARGE_SHARE * found.total:
        means += ": one user who repeats an interaction can decide what similar users are recommended first"
        to_do = (
            "Record repetitions with smaller values, or one interaction per user, medium and day, in the app "
            "or in a view."
        )
        yield Finding(Level.WARNING, ENGAGEMENT, about, means, to_do)
    else:
        yield Finding(Level.OK, ENGAGEMENT, about, means)
