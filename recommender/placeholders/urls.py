"""The address of a placeholder cover."""

from urllib.parse import quote, urlencode

PLACEHOLDERS_PATH = "/explorer/covers/"
# A longer title does not fit on a cover, and addresses must stay below the limits of servers.
_TITLE_CHARACTERS = 100


def placeholder_url(item_id: str, title: str | None, genre: str | None, year: int | None) -> str:
    """Return the path and query of a placeholder cover on this service."""
    given = {"title": (title or "")[:_TITLE_CHARACTERS], "genre": genre, "year": year}
    query = urlencode({name: value for name, value in given.items() if value})
    # Servers decode %2F, and the name of a cover is one part of the path. It only has to be always the same.
    name = quote(item_id.replace("/", "_"), safe="")
    return f"{PLACEHOLDERS_PATH}{name}.svg{'?' if query else ''}{query}"
