"""Checks of interactions: do their types match the settings, and are their values usable?"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from config.ranking_settings import InteractionTypes
from recommender.databases.inspection import Inspection
from recommender.diagnostics.findings import CONTRACT, Finding, Level, share, shown, some
from recommender.diagnostics.tables import look_at_tables
from recommender.entities import DEFAULT_TYPES, DatabaseName

ENGAGEMENT = DatabaseName.ENGAGEMENT

_SAMPLE_ROWS = 1_000_000
_WHOLE = 100
# Of likes, a larger share with values of 0 or less looks like bad ratings.
_MANY_BAD = 0.1
# Weights of likes have fewer different values than ratings.
_RATING_VALUES = 4
# Statements that decide what a type means; if an overlay replaces one, the settings may not apply.
_DECIDING = ("fetch_histories", "fetch_users_of_media", "fetch_media_of_users")


class TypeCount(NamedTuple):
    """Row counts of one type. `recent`: in the window; by value NULL, 0 or less, or above 0.

    `stars`: how many whole or half values from 0 to 10 have at least 1 % of the rows in the window.
    """

    name: str | None
    rows: int
    recent: int
    recent_null: int
    recent_zero: int
    recent_worth: int
    unusable: int
    stars: int


@dataclass(frozen=True, slots=True)
class TypeFacts:
    """Counts of the rows read. `source`: which rows, in words; empty for all.

    `has_positive`, `has_recent`, `has_worth`: whether any row is positive, in the window, above 0.
    """

    counts: tuple[TypeCount, ...]
    source: str
    has_positive: bool
    has_recent: bool
    has_worth: bool

    @property
    def rows(self) -> int:
        """The number of rows read."""
        return sum(count.rows for count in self.counts)


def look_at_types(inspection: Inspection, types: InteractionTypes, window: tuple[str, str]) -> TypeFacts:
    """Count interactions by type; of large tables, in a sample of about a million rows.

    Raises:
        InspectionError: PostgreSQL refuses.
    """
    start, end = window
    known = list(dict.fromkeys((*types.positive, *types.dislikes, *types.excluding)))
    bounds = {"window_start": start, "window_end": end, "known_types": known}
    table = look_at_tables(inspection, ["interaction"])["interaction"]
    rows = table.row_estimate or 0
    percent = max(1, _WHOLE * _SAMPLE_ROWS // rows) if rows > 2 * _SAMPLE_ROWS else _WHOLE
    found, source = [], ""
    if table.is_sampleable:
        found = inspection.fetch("fetch_types", sample_percent=percent, **bounds)
        source = "" if percent == _WHOLE else f"in a sample of {percent} % of the table"
    # After a large DELETE, all pages of a sample may be empty.
    if not found:
        found = inspection.fetch("fetch_latest_types", row_limit=_SAMPLE_ROWS, **bounds)
        source = "" if rows < _SAMPLE_ROWS else f"of the latest {_SAMPLE_ROWS:,} rows"
    counts = tuple(TypeCount(*row) for row in found)
    positive = [count for count in counts if count.name in types.positive]
    # A sample may miss rare rows, so look for one in the whole table.
    has = [
        bool(positive),
        any(count.recent for count in positive),
        any(count.recent_worth for count in positive),
    ]
    if source and not all(has):
        ((*has,),) = inspection.fetch(
            "fetch_positives", positive_types=list(types.positive), window_start=start, window_end=end
        )
    return TypeFacts(counts, source, *has)


def check_types(
    facts: TypeFacts, types: InteractionTypes, window_days: int, *, overlaid: Collection[str]
) -> Iterator[Finding]:
    """Yield findings on types and values; `overlaid`: statements replaced in SQL_PATH."""
    if not facts.rows:
        return
    deciding = [name for name in _DECIDING if name in overlaid]
    if deciding:
        means = f"{_listed(facts.counts, facts)}; {', '.join(deciding)} in SQL_PATH decides what they mean"
        yield Finding(Level.OK, ENGAGEMENT, "types", means)
        return
    by_role = {
        "LIKE_TYPES": types.likes,
        "WATCH_TYPES": types.watches,
        "DISLIKE_TYPES": types.dislikes,
        "EXCLUDING_TYPES": types.excluding,
    }
    known = {name for names in by_role.values() for name in names}
    by_spelling = {_spelling(name): name for name in known}
    strange = [count for count in facts.counts if count.name not in known]
    misspelled = [count for count in strange if _spelling(count.name) in by_spelling]
    meaningless = [count for count in strange if count not in misspelled]
    understood = [count for count in facts.counts if count.name in known]
    yield Finding(Level.OK, ENGAGEMENT, "types", _listed(understood, facts) or "none that the settings name")
    if misspelled:
        yield _misspelled(misspelled, by_role, facts)
    if meaningless:
        yield _meaningless(meaningless, types, facts)
    yield from _absent(known, facts, by_role, all_understood=not strange)
    yield from _check_dislikes(facts, types)
    yield from _check_positives(facts, types, strange, window_days)
    yield from _check_values(facts, types)


def _misspelled(
    counts: Sequence[TypeCount], by_role: dict[str, tuple[str, ...]], facts: TypeFacts
) -> Finding:
    listed = _listed(counts, facts)
    means = f"{listed}: they differ from types of the settings only in case or blanks, and are ignored"
    settings = []
    for setting, names in by_role.items():
        spellings = {_spelling(name) for name in names}
        added = [count.name for count in counts if count.name and _spelling(count.name) in spellings]
        if any(_can_be_set(name) for name in added):
            settings.append(f"{setting}={','.join([*names, *filter(_can_be_set, added)])}")
    to_do = "Set " + " and ".join(settings) if settings else "Correct them in the data"
    if settings and not all(count.name is not None and _can_be_set(count.name) for count in counts):
        to_do += "; correct those with blanks around them in the data, as a setting cannot hold them"
    return Finding(Level.WARNING, ENGAGEMENT, "spelling of types", means, f"{to_do}.")


def _meaningless(counts: Sequence[TypeCount], types: InteractionTypes, facts: TypeFacts) -> Finding:
    about = "types without meaning"
    listed = _listed(counts, facts)
    if types.excluding:
        means = f"{listed}: they are ignored and exclude nothing (EXCLUDING_TYPES)"
        return Finding(Level.OK, ENGAGEMENT, about, means)
    means = f"{listed}: they are ignored, but exclude their media from the user's recommendations"
    wanted = ",".join((*types.dislikes, *types.positive))
    to_do = (
        "Name those in favor of their media in LIKE_TYPES or WATCH_TYPES. If the others are not meant to "
        f"exclude, set EXCLUDING_TYPES={wanted}; if some are, add these."
    )
    return Finding(Level.WARNING, ENGAGEMENT, about, means, to_do)


def _absent(
    known: set[str], facts: TypeFacts, by_role: dict[str, tuple[str, ...]], *, all_understood: bool
) -> Iterator[Finding]:
    """Yield a finding on types of the settings that no row has."""
    absent = sorted(known - {count.name for count in facts.counts})
    if not absent:
        return
    about = "types that do not occur"
    listed = ", ".join(map(shown, absent))
    means = f"no row {facts.source} is {listed}".replace("  ", " ")
    defaults = {*DEFAULT_TYPES.positive, *DEFAULT_TYPES.dislikes}
    # An app may have no dislikes, for example. No setting says so: an empty one has its default.
    if set(absent) <= defaults and (all_understood or facts.has_positive):
        yield Finding(Level.OK, ENGAGEMENT, about, f"{means}: an app need not have all types of the defaults")
        return
    settings = ", ".join(setting for setting, names in by_role.items() if set(names) & set(absent))
    to_do = f"Check how the app spells them, and set {settings} to that."
    yield Finding(Level.WARNING, ENGAGEMENT, about, means, to_do)


def _check_dislikes(facts: TypeFacts, types: InteractionTypes) -> Iterator[Finding]:
    """Yield a finding on dislikes that EXCLUDING_TYPES does not name."""
    missing = [name for name in types.dislikes if name not in types.excluding]
    counts = [count for count in facts.counts if count.name in missing]
    if types.excluding and counts:
        means = f"{_listed(counts, facts)}: the media are recommended again to those who disliked them"
        to_do = f"Set EXCLUDING_TYPES={','.join([*types.excluding, *missing])}."
        yield Finding(Level.WARNING, ENGAGEMENT, "dislikes that do not exclude", means, to_do)


def _check_positives(
    facts: TypeFacts, types: InteractionTypes, strange: Sequence[TypeCount], window_days: int
) -> Iterator[Finding]:
    about = "positive interactions"
    names = " or ".join(map(shown, types.positive))
    effect = "there are no similar users, and nothing is popular"
    recent = sum(count.recent for count in facts.counts)
    positive = [count for count in facts.counts if count.name in types.positive]
    if not facts.has_positive:
        commonest = f"; most rows are {shown(strange[0].name)}" if strange else ""
        to_do = f"Name the types in favor of their media in LIKE_TYPES or WATCH_TYPES{commonest}."
        yield Finding(Level.WARNING, ENGAGEMENT, about, f"no interaction is {names}: {effect}", to_do)
    elif facts.has_recent:
        rows, of_these = sum(count.rows for count in positive), sum(count.recent for count in positive)
        means = f"{share(rows, facts.rows)} {facts.source}, of which {share(of_these, rows)} in the window"
        yield Finding(Level.OK, ENGAGEMENT, about, means.replace(" ,", ","))
    elif recent:
        window = f"of the last {window_days} days" if window_days else "with a timestamp"
        means = f"none of the interactions {window} is {names}: {effect}"
        to_do = "Check why the app writes none any more, or raise INTERACTION_WINDOW_DAYS."
        yield Finding(Level.WARNING, ENGAGEMENT, about, means, to_do)


def _check_values(facts: TypeFacts, types: InteractionTypes) -> Iterator[Finding]:
    positive = [count for count in facts.counts if count.name in types.positive]
    recent = sum(count.recent for count in positive)
    means = (
        f"of {recent:,} positive interactions in the window {facts.source}, "
        f"{share(sum(count.recent_worth for count in positive), recent)} have a value above 0, "
        f"{share(sum(count.recent_zero for count in positive), recent)} 0 or less, "
        f"{share(sum(count.recent_null for count in positive), recent)} none"
    ).replace(" ,", ",")
    if facts.has_recent and not facts.has_worth:
        means += ": every collaborative_score is 0, and rankings follow stated genres and popularity alone"
        to_do = (
            "Write an interaction_value above 0 with each, or put versions of fetch_media_of_users, "
            "fetch_media_of_users_repeated and "
            f"stream_positive_histories that take 1 for it under SQL_PATH/{ENGAGEMENT}/ ({CONTRACT})."
        )
        yield Finding(Level.WARNING, ENGAGEMENT, "values", means, to_do)
    elif facts.has_recent:
        yield Finding(Level.OK, ENGAGEMENT, "values", means)
        yield from _check_ratings(facts, types)
    unusable = sum(count.unusable for count in positive)
    if unusable:
        means = (
            f"{share(unusable, sum(count.rows for count in positive))} of the positive interactions "
            f"{facts.source} have a value that is NaN, infinite or beyond 1e100, and counts as 0"
        ).replace("  ", " ")
        to_do = "Find what writes them, and correct them."
        yield Finding(Level.WARNING, ENGAGEMENT, "unusable values", means, to_do)


def _check_ratings(facts: TypeFacts, types: InteractionTypes) -> Iterator[Finding]:
    """Yield findings on likes that may be ratings, of which bad ones count in favor of their items, too."""
    for count in facts.counts:
        if count.name not in types.likes:
            continue
        if count.recent_zero > _MANY_BAD * count.recent:
            means = f"{share(count.recent_zero, count.recent)} have a value of 0 or less"
        elif count.stars >= _RATING_VALUES:
            means = f"there are {count.stars} different values, as of stars"
        else:
            continue
        means = (
            f"of {count.recent:,} rows of type {shown(count.name)} in the window {facts.source}, {means}: "
            "each counts as a like, whatever its value"
        ).replace(" ,", ",")
        to_do = f"If they are ratings, make likes of good ones and dislikes of bad ones ({CONTRACT})."
        yield Finding(Level.WARNING, ENGAGEMENT, "ratings as likes", means, to_do)


def _listed(counts: Sequence[TypeCount], facts: TypeFacts) -> str:
    """Return types with their numbers of rows, most frequent first."""
    ordered = sorted(counts, key=lambda count: -count.rows)
    listed = some([f"{shown(count.name)} {share(count.rows, facts.rows)}" for count in ordered])
    return f"{listed} {facts.source}".rstrip()


def _spelling(name: str | None) -> str | None:
    return None if name is None else " ".join(name.casefold().split())


def _can_be_set(name: str) -> bool:
    """Whether a setting can hold the name: settings split at commas and strip blanks."""
    return name == name.strip() != "" and "," not in name
