"""Where the explorer draws a cover for a medium that has none; the demo's media have all theirs there."""

from urllib.parse import quote, urlencode

COVERS_PATH = "/explorer/covers/"
# As much of a title as fits on a cover, and keeps the address well below what servers take.
_TITLE_CHARACTERS = 100


def cover_url(media_id: str, title: str | None, genre: str | None, year: int | None) -> str:
    """The address, on this service, of a drawn cover."""
    given = {"title": (title or "")[:_TITLE_CHARACTERS], "genre": genre, "year": year}
    query = urlencode({name: value for name, value in given.items() if value})
    return f"{COVERS_PATH}{quote(media_id, safe='')}.svg{'?' if query else ''}{query}"
