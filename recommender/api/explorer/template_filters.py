"""Template filters: format values for the page."""

import math
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from urllib.parse import quote, urlsplit

from recommender.api.explorer.tuning import decimal
from recommender.domains.attributes import AttributeKind
from recommender.domains.base import Domain
from recommender.entities import Explanation, Item, Recommendation, Value
from recommender.evaluation.shown_metrics import shown_metric
from recommender.model_store.runs import TrainingOutcome
from recommender.placeholders.urls import PLACEHOLDERS_PATH, placeholder_url
from recommender.texts.bidi import balanced, isolated
from recommender.texts.labels import name_of

# One segment that does not lead to another folder.
_DRAWN = re.compile(rf"{re.escape(PLACEHOLDERS_PATH)}[^/\\]+\.svg")
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86400
_DECIMALS = 2
_OUTCOMES = {
    TrainingOutcome.PUBLISHED: "a new champion",
    TrainingOutcome.REFITTED: "the champion was trained again",
    TrainingOutcome.NO_DATA: "nothing to learn from yet",
    TrainingOutcome.FAILED: "failed",
}


def score(value: float) -> str:
    """Format a score or a part of one."""
    return f"{value:.{_DECIMALS}f}"


def collaborative_part(item: Recommendation) -> float:
    """Return the collaborative part of a score, so that the rounded parts add up."""
    content = item.explanation.content_part if item.explanation else 0.0
    return round(item.recommendation_score, _DECIMALS) - round(content, _DECIMALS)


def window(days: int) -> str:
    """Format a window in days; 0 is all time."""
    if days == 0:
        return "all time"
    return "1 day" if days == 1 else f"{days} days"


def amount(value: float | None) -> str | None:
    """Format the value of an interaction, if it has one."""
    return None if value is None or not math.isfinite(value) else f"{value:g}"


def day(moment: datetime) -> str:
    """Format a date, such as 5 Nov 2026."""
    return f"{moment.day} {moment:%b %Y}"


def age(seconds: float) -> str:
    """Format an age in its largest whole unit."""
    for unit, length in (("day", _DAY_S), ("hour", _HOUR_S), ("minute", _MINUTE_S)):
        if seconds >= length:
            number = int(seconds // length)
            return f"{number} {unit}{'' if number == 1 else 's'}"
    return f"{int(seconds)} s"


def placeholder_cover(domain: Domain, item: Item) -> str:
    """Return the address of the placeholder cover, relative to that of the page."""
    genre = item.genres[0] if item.genres else None
    year = item.attributes.get(domain.year)
    url = placeholder_url(item.id, item.title, genre, year if isinstance(year, int) else None)
    return url.removeprefix("/")


def cover(domain: Domain, item: Item) -> str:
    """Return the address of the item's own cover if it is safe to load, else of a placeholder."""
    own = str(item.attributes.get(domain.cover) or "").strip()
    try:
        parts = urlsplit(own)
    except ValueError:
        return placeholder_cover(domain, item)
    # A relative address could make the page request any other path of this service. `https:metrics` is one.
    is_elsewhere = parts.scheme in ("http", "https") and parts.netloc
    if is_elsewhere:
        return own
    is_drawn = not parts.scheme and not parts.netloc and _DRAWN.fullmatch(parts.path)
    return own.removeprefix("/") if is_drawn else placeholder_cover(domain, item)


def description(domain: Domain, item: Item) -> Value:
    """Return the description of an item, if it has one."""
    return item.attributes.get(domain.description)


def facts(domain: Domain, item: Item) -> list[tuple[str, bool]]:
    """Return the domain's numbers and categories, each with whether it is text of a database."""
    return [
        (name_of(value) if isinstance(value, str) else str(value), isinstance(value, str))
        for attribute in domain.attributes
        if attribute.kind in (AttributeKind.NUMBER, AttributeKind.CATEGORY)
        and (value := item.attributes[attribute.name]) is not None
    ]


def own_values(domain: Domain, item: Item) -> Iterator[tuple[str, str]]:
    """Yield label and value of each attribute of an item that the app has added."""
    for attribute in domain.own:
        value = item.attributes[attribute.name]
        for each in value if isinstance(value, tuple) else (value,):
            if each is not None:
                yield attribute.label, each if isinstance(each, str) else f"{each:.12g}"


def path_segment(text: str) -> str:
    """Escape a text as one segment of a path."""
    return quote(text, safe="")


def reason_parts(explanation: Explanation) -> Iterator[tuple[str, bool]]:
    """Yield the pieces of a reason, in order, each with whether it is text of a database."""
    titles = {own.details.title for own in explanation.because if own.details.title}
    texts = titles | {name_of(genre) for genre in explanation.matched_genres}
    # The longest first: one name may contain another.
    pattern = "|".join(re.escape(text) for text in sorted(texts, key=len, reverse=True))
    pieces = re.split(f"({pattern})", explanation.reason) if pattern else [explanation.reason]
    for idx, piece in enumerate(pieces):
        if piece:
            yield piece, idx % 2 == 1


def outcome(found: TrainingOutcome) -> str:
    """Describe the outcome of a training run."""
    return _OUTCOMES[found]


def filters_by_name(domain: Domain) -> dict[str, Callable[..., object]]:
    """Return the template filters by name."""
    of_items = (cover, description, facts, own_values, placeholder_cover)
    return FILTERS | {function.__name__: partial(function, domain) for function in of_items}


FILTERS: dict[str, Callable[..., object]] = {
    "age": age,
    "amount": amount,
    "balanced": balanced,
    "collaborative_part": collaborative_part,
    "day": day,
    "decimal": decimal,
    "isolated": isolated,
    "name_of": name_of,
    "outcome": outcome,
    "path_segment": path_segment,
    "reason_parts": reason_parts,
    "score": score,
    "shown_metric": shown_metric,
    "window": window,
}
