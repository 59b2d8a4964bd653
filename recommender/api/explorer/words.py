"""Values as the page words them."""

import math
from collections.abc import Callable
from datetime import datetime
from urllib.parse import quote, urlsplit

from recommender.covers.urls import cover_url
from recommender.domain import DatabaseName, Media, Strategy

_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86400

STRATEGIES = {
    Strategy.HYBRID: "stated genres and similar users",
    Strategy.CONTENT: "stated genres alone",
    Strategy.COLLABORATIVE: "similar users alone",
    Strategy.POPULAR: "nothing known of this user: popular media",
}
# What an answer lacks without a database.
LACKS = {
    DatabaseName.USER: "stated genres are not known, so nothing is scored by content",
    DatabaseName.ENGAGEMENT: "histories and similar users are not known: what was seen may be shown again",
    DatabaseName.CATALOG: "details are the last good ones; media without any are left out",
}


def score(value: float) -> str:
    """Two decimals, which add up well enough to be read as a sum."""
    return f"{value:.2f}"


def name_of(text: str) -> str:
    """A genre or a media type, which databases like to write in capitals, or without any."""
    words = text.replace("_", " ").strip()
    return words.capitalize() if words.isupper() or words.islower() else words


def window(days: int) -> str:
    """A stretch of time; 0 is all of it."""
    if days == 0:
        return "all time"
    return "1 day" if days == 1 else f"{days} days"


def amount(value: float | None) -> str | None:
    """The value of an interaction, if it has one."""
    return None if value is None or not math.isfinite(value) else f"{value:g}"


def day(moment: datetime) -> str:
    """A date as people write it."""
    return f"{moment.day} {moment:%b %Y}"


def age(seconds: float) -> str:
    """About how long ago."""
    for unit, length in (("day", _DAY_S), ("hour", _HOUR_S), ("minute", _MINUTE_S)):
        if seconds >= length:
            number = int(seconds // length)
            return f"{number} {unit}{'' if number == 1 else 's'}"
    return f"{int(seconds)} s"


def drawn_cover(media: Media) -> str:
    """The cover that is drawn here."""
    genre = media.genres[0] if media.genres else None
    return cover_url(media.id, media.title, genre, media.release_year)


def cover(media: Media) -> str:
    """Where to find a cover: the medium's own, if a browser may be sent there."""
    own = (media.cover_url or "").strip()
    try:
        parts = urlsplit(own)
    except ValueError:
        return drawn_cover(media)
    usable = parts.scheme in ("http", "https") or (not parts.scheme and own.startswith("/"))
    return own if usable else drawn_cover(media)


def part(text: str) -> str:
    """A piece of a path, whatever it holds."""
    return quote(text, safe="")


FILTERS: dict[str, Callable[..., str | None]] = {
    "age": age,
    "amount": amount,
    "cover": cover,
    "day": day,
    "drawn_cover": drawn_cover,
    "name_of": name_of,
    "part": part,
    "score": score,
    "window": window,
}
