"""Check whether stated genres match the genres of items."""

from collections import Counter
from collections.abc import Mapping

from recommender.databases.inspection import Inspection
from recommender.diagnostics.findings import Finding, Level, share, shown, some
from recommender.entities import DatabaseName
from recommender.texts.names import distinct_names

_BETWEEN = f"{DatabaseName.USER}, {DatabaseName.CATALOG}"
_EXAMPLES = 5

# Genres as written, with their numbers of rows.
Genres = Mapping[str, int]


def look_at_genres(inspection: Inspection) -> Genres:
    """Return the genres that users state or items have.

    Raises:
        InspectionError: PostgreSQL refuses.
    """
    return dict(inspection.fetch("fetch_genres"))


def genres_without_items(stated: Genres, of_items: Genres) -> list[str]:
    """Return the stated genres that no item has, most frequent first; spelling is normalized."""
    known = distinct_names(list(of_items)).keys()
    return [name for name in sorted(stated, key=lambda name: -stated[name]) if not _keys(name) <= known]


def check_stated_genres(stated: Genres, of_items: Genres, inspection: Inspection | None) -> Finding:
    """Return a finding on users with genres that no item has; `inspection` is of user_db.

    Raises:
        InspectionError: PostgreSQL refuses.
    """
    about = "stated genres"
    unknown = genres_without_items(stated, of_items)
    kinds = distinct_names(list(stated))
    if inspection is None or not unknown:
        means = f"each of the {len(kinds):,} is a genre of media"
        return Finding(Level.OK, _BETWEEN, about, means)
    ((any_count, only_count, users),) = inspection.fetch("count_users_of_genres", genres=unknown)
    rows = Counter({name: stated[name] for name in unknown})
    examples = some([f"{shown(name)} ({rows[name]:,})" for name in unknown], _EXAMPLES)
    means = (
        f"{share(len(distinct_names(unknown)), len(kinds))} are not genres of any media: {examples}; "
        f"{share(any_count, users)} of the users with genres state some of these, "
        f"{share(only_count, users)} only these, so their stated genres have no effect"
    )
    spellings = some([shown(name) for name in of_items], _EXAMPLES)
    to_do = (
        f"Use one spelling in tb_user_genre and tb_media_genre (media have {spellings}), or put a "
        "fetch_genre_preferences that translates under SQL_PATH/user_db/."
    )
    return Finding(Level.WARNING, _BETWEEN, about, means, to_do)


def _keys(name: str) -> set[str]:
    """Return a set with the normalized form of a genre; empty if it is blank."""
    return set(distinct_names([name]))
