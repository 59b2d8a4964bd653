"""The address of a placeholder cover."""

from urllib.parse import quote, urlencode

PLACEHOLDERS_PATH = "/explorer/covers/"
# A longer title does not fit on a cover, and addresses must stay below the limits of servers.
_TITLE_CHARACTERS = 100


def placeholder_url(item_id: str, title: str | None, genre: str | None, year: int | None) -> str:
    """Return the path and query of a placeholder cover on this service."""
    given = {"title": (title or "")[:_TITLE_CHARACTERS], "genre": genre, "year": year}
    query = urlencode({name: value for name, value in given.items() if value})
    return f"{PLACEHOLDERS_PATH}{quote(item_id, safe='')}.svg{'?' if query else ''}{query}"
