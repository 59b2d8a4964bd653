"""Values as the page words them."""

import math
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from urllib.parse import quote, urlsplit

from recommender.bidi import balanced, isolated
from recommender.covers.urls import COVERS_PATH, cover_url
from recommender.domain import Explanation, Media, Recommendation
from recommender.words import name_of

_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86400


_DECIMALS = 2


def score(value: float) -> str:
    """A score or a part of one."""
    return f"{value:.{_DECIMALS}f}"


def rest(item: Recommendation) -> float:
    """What is left of a score for the collaborative part, so that what is shown adds up."""
    content = item.explanation.content_part if item.explanation else 0.0
    return round(item.recommendation_score, _DECIMALS) - round(content, _DECIMALS)


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
    # Elsewhere on this origin there are no covers, and a page must not be made to ask for anything else here.
    usable = parts.scheme in ("http", "https") or own.startswith(COVERS_PATH)
    return own if usable else drawn_cover(media)


def part(text: str) -> str:
    """A piece of a path, whatever it holds."""
    return quote(text, safe="")


def reason_parts(told: Explanation) -> Iterator[tuple[str, bool]]:
    """Yield the pieces of a reason, in order, each with whether it is a title or a genre of a database."""
    titles = {own.media.title for own in told.because if own.media.title}
    texts = titles | {name_of(genre) for genre in told.matched_genres}
    # The longest first, as one may hold another.
    pattern = "|".join(re.escape(text) for text in sorted(texts, key=len, reverse=True))
    pieces = re.split(f"({pattern})", told.reason) if pattern else [told.reason]
    for place, piece in enumerate(pieces):
        if piece:
            yield piece, place % 2 == 1


FILTERS: dict[str, Callable[..., object]] = {
    "age": age,
    "amount": amount,
    "balanced": balanced,
    "cover": cover,
    "day": day,
    "drawn_cover": drawn_cover,
    "isolated": isolated,
    "name_of": name_of,
    "part": part,
    "reason_parts": reason_parts,
    "rest": rest,
    "score": score,
    "window": window,
}
