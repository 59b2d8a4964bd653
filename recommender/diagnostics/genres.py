"""Genres: do users and media call them the same?"""

from collections import Counter
from collections.abc import Mapping

from recommender.databases.inspection import Inspection
from recommender.diagnostics.findings import Finding, Level, share, shown, some
from recommender.entities import DatabaseName
from recommender.names import distinct_names

_BETWEEN = f"{DatabaseName.USER}, {DatabaseName.CATALOG}"
_EXAMPLES = 5

# Genres as written, with how many rows of them there are.
Genres = Mapping[str, int]


def look_at_genres(inspection: Inspection) -> Genres:
    """Return the genres that users state, or that media have.

    Raises:
        InspectionError: PostgreSQL refuses.
    """
    return dict(inspection.fetch("fetch_genres"))


def genres_without_media(stated: Genres, of_media: Genres) -> list[str]:
    """Return the stated genres that no medium has, however either is spelt, the commonest first."""
    known = distinct_names(list(of_media)).keys()
    return [name for name in sorted(stated, key=lambda name: -stated[name]) if not _keys(name) <= known]


def check_stated_genres(stated: Genres, of_media: Genres, inspection: Inspection | None) -> Finding:
    """Say how many users state genres that no medium has; `inspection` of user_db, needed if any do.

    Raises:
        InspectionError: PostgreSQL refuses.
    """
    about = "stated genres"
    unknown = genres_without_media(stated, of_media)
    kinds = distinct_names(list(stated))
    if inspection is None or not unknown:
        means = f"each of the {len(kinds):,} is that of a medium"
        return Finding(Level.OK, _BETWEEN, about, means)
    ((any_count, only_count, users),) = inspection.fetch("count_users_of_genres", genres=unknown)
    rows = Counter({name: stated[name] for name in unknown})
    examples = some([f"{shown(name)} ({rows[name]:,})" for name in unknown], _EXAMPLES)
    means = (
        f"{share(len(distinct_names(unknown)), len(kinds))} are those of no medium: {examples}; "
        f"{share(any_count, users)} of the users with genres state some of these, "
        f"{share(only_count, users)} nothing else, so that genres say nothing for them"
    )
    media = some([shown(name) for name in of_media], _EXAMPLES)
    to_do = (
        f"Use one spelling in tb_user_genre and tb_media_genre (media have {media}), or put a "
        "fetch_genre_preferences that translates under SQL_PATH/user_db/."
    )
    return Finding(Level.WARNING, _BETWEEN, about, means, to_do)


def _keys(name: str) -> set[str]:
    """What a genre is compared by; none of one that is blank."""
    return set(distinct_names([name]))
