"""Reads MovieLens folders, and similar ones, into rows for the three databases."""

import math
import re
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache
from pathlib import Path
from typing import NamedTuple
from uuid import NAMESPACE_URL, uuid5

import numpy as np

from recommender.demo.delimited import DelimitedFile
from recommender.demo.line_notes import Line, LineNotes, ReadNotes
from recommender.demo.progress import ProgressBar, Row
from recommender.demo.target import LoadTarget
from recommender.entities import DatabaseName
from recommender.errors import LoadError

_MOVIE_COLUMNS = ("movieId", "title", "genres")
_RATING_COLUMNS = ("userId", "movieId", "rating", "timestamp")
_TITLE_AND_YEAR = re.compile(r"(?P<title>.*?)\s*\((?P<year>[0-9]{4})(?:[-\u2013][0-9]{0,4})?\)\s*", re.DOTALL)
_NO_GENRES = "(no genres listed)"
_FIVE_STARS = 5.0
_FAVORITE_GENRES = 3
_LIKED_STARS = 4
_WATCHED_STARS = 3
# The widths of columns in catalog_db and user_db.
_TITLE_CHARACTERS = 255
_GENRE_CHARACTERS = 50
# How many ids of users, and how many of items, are remembered, as the same are on many lines; each takes some
# 230 bytes.
_REMEMBERED_IDS = 1 << 17
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - the databases' timestamps are naive UTC
_LATEST = datetime(2100, 1, 1)  # noqa: DTZ001 - as above
_LATEST_RATING_S = (_LATEST - _EPOCH).total_seconds()
# So many ratings above the scale, and such a share, mean that the files have another scale.
_MANY_ABOVE = 10
_LARGE_SHARE = 0.01
# The year 1973 in milliseconds; in seconds it would be the year 5138.
_EARLIEST_MILLISECONDS = 100_000_000_000


@dataclass(frozen=True, slots=True)
class Movie:
    """A line of movies.csv or movies.dat."""

    key: str
    title: str
    year: int | None
    genres: tuple[str, ...]


class Rating(NamedTuple):
    """A line of ratings.csv or ratings.dat; `stars` on the scale to 5, `rated_at` in naive UTC."""

    user_key: str
    movie_key: str
    stars: float
    rated_at: datetime


@dataclass(slots=True)
class LoadReport:
    """What was loaded, what was skipped or adjusted and why, and the time span of the ratings."""

    users: int = 0
    items: int = 0
    interactions: Counter[str] = field(default_factory=Counter)
    skipped: LineNotes = field(default_factory=LineNotes)
    adjusted: LineNotes = field(default_factory=LineNotes)
    span: timedelta = timedelta()


class MovieLensFolder:
    """A folder with `ratings.csv` and `movies.csv`, or with `ratings.dat` and `movies.dat`.

    Args:
        folder: where the files are.
        scale: the highest possible rating, 5 or 10; ratings are converted to a scale up to 5.

    Raises:
        LoadError: a file is missing or has the wrong content.
    """

    def __init__(self, folder: Path, scale: float = _FIVE_STARS) -> None:
        self._scale = scale
        self._movie_notes = ReadNotes()
        for suffix in (".csv", ".dat"):
            ratings_path, movies_path = folder / f"ratings{suffix}", folder / f"movies{suffix}"
            if ratings_path.is_file() and movies_path.is_file():
                self._ratings_file = DelimitedFile(ratings_path, _RATING_COLUMNS)
                self._movies_file = DelimitedFile(movies_path, _MOVIE_COLUMNS)
                break
        else:
            raise LoadError(
                f"{folder} holds neither ratings.csv and movies.csv nor ratings.dat and movies.dat"
            )

    @cached_property
    def movies(self) -> dict[str, Movie]:
        """The movies of readable lines by key, the first one of each key.

        Raises:
            LoadError: there are none, or as `DelimitedFile.records`.
        """
        movies: dict[str, Movie] = {}
        notes = self._movie_notes
        for record in self._movies_file.records(notes):
            key, title, genres = record.values
            if not key:
                notes.skipped.add("movie has no id", record.line)
            elif key in movies:
                notes.skipped.add("movie's id is on an earlier line", record.line)
            else:
                movies[key] = _movie(key, title, genres, record.line, notes.adjusted)
        if not movies:
            raise LoadError(f"{self._movies_file.path} holds no movie that can be loaded{_first_of(notes)}")
        return movies

    def ratings(self, notes: ReadNotes, repeated: frozenset[int] = frozenset()) -> Iterator[Rating]:
        """Yield the ratings of known movies; others are noted.

        Args:
            notes: collects lines that are left out or adjusted.
            repeated: the hashes of ratings that occur more than once; only the first is yielded.

        Raises:
            LoadError: at the end, if so many ratings exceed the scale that the files must have another one.
        """
        seen: set[Rating] = set()
        above = lines = 0
        for record in self._ratings_file.records(notes):
            lines += 1
            above += (_number(record.values[2]) or 0) > self._scale
            rating, refusal = self._rating(record.values)
            if rating is not None and repeated and hash(rating) in repeated:
                refusal = "rating is on an earlier line" if rating in seen else None
                seen.add(rating)
            if refusal is not None:
                notes.skipped.add(refusal, record.line)
            elif rating is not None:
                yield rating
        refuse_another_scale(above, lines, self._scale)

    def _rating(self, values: list[str]) -> tuple[Rating | None, str | None]:
        """Parse a line's values; return a reason instead if they are not a valid rating."""
        user_key, movie_key, rating, timestamp = values
        number, rated_at = _number(rating), _utc_time(timestamp)
        if not user_key:
            return None, "rating has no user id"
        if number is None or not 0 <= number <= self._scale:
            return None, f"rating is not between 0 and {self._scale:g}"
        if rated_at is None:
            return None, "time is neither Unix time nor ISO 8601, or not from 1970 to 2099"
        if movie_key not in self.movies:
            return None, f"movie is not in {self._movies_file.path.name}"
        return Rating(user_key, movie_key, number * _FIVE_STARS / self._scale, rated_at), None

    def load(
        self,
        urls: Mapping[DatabaseName, str],
        progress: ProgressBar,
        *,
        replace: bool = False,
        now: datetime | None = None,
    ) -> LoadReport:
        """Fill the three databases.

        Args:
            urls: of the databases; missing tables and indexes are created.
            progress: shows the progress of loading.
            replace: whether to delete existing data.
            now: naive UTC; all ratings move so that the newest is now. None keeps their times.

        Raises:
            LoadError: the databases hold data and `replace` is false, or PostgreSQL rejects a statement.
        """
        survey = _Survey(self)
        if survey.repeated:
            survey = _Survey(self, survey.repeated)
        report = survey.report
        for notes in (self._movie_notes, survey.notes):
            report.skipped.include(notes.skipped)
            report.adjusted.include(notes.adjusted)
        with LoadTarget(urls) as target, target.replacing(replace=replace):
            self._copy(survey, target, progress, now)
        return report

    def _copy(
        self, survey: "_Survey", target: LoadTarget, progress: ProgressBar, now: datetime | None
    ) -> None:
        movies = self.movies.values()
        user_genres = list(survey.user_genre_rows())
        item_genres = [(item_id(movie.key), genre) for movie in movies for genre in movie.genres]
        interactions = self._interaction_rows(survey, survey.shift(now))
        for database, query_name, label, rows, length in (
            (target.user_db, "copy_user_preferences", "users", survey.preference_rows(), survey.report.users),
            (target.user_db, "copy_user_genres", "preferences", user_genres, len(user_genres)),
            (target.catalog_db, "copy_media", "media", map(_item_row, movies), len(movies)),
            (target.catalog_db, "copy_media_genres", "genres of media", item_genres, len(item_genres)),
            (target.engagement_db, "copy_interactions", "interactions", interactions, survey.rating_count),
        ):
            database.copy(query_name, progress(rows, label, length))

    def _interaction_rows(self, survey: "_Survey", shift: timedelta) -> Iterator[Row]:
        already_noted = ReadNotes()
        for row_id, rating in enumerate(self.ratings(already_noted, survey.repeated), start=1):
            kind, value = interaction_of(rating.stars)
            survey.report.interactions[kind] += 1
            yield (
                row_id,
                user_id(rating.user_key),
                item_id(rating.movie_key),
                kind,
                value,
                rating.rated_at + shift,
            )


class _Survey:
    """A first pass over the ratings: users, their favorite genres, the time span, and repetitions."""

    def __init__(self, folder: MovieLensFolder, repeated: frozenset[int] = frozenset()) -> None:
        self.report = LoadReport()
        self.notes = ReadNotes()
        self._liked: dict[str, Counter[str]] = defaultdict(Counter)
        # Eight bytes per rating: there may be millions.
        hashes = array("q")
        first_at, last_at = _LATEST, _EPOCH
        for rating in folder.ratings(self.notes, repeated):
            hashes.append(hash(rating))
            first_at, last_at = min(first_at, rating.rated_at), max(last_at, rating.rated_at)
            liked = self._liked[rating.user_key]
            if interaction_of(rating.stars)[0] == "LIKE":
                liked.update(folder.movies[rating.movie_key].genres)
        if not hashes:
            raise LoadError(f"the ratings hold no line that can be loaded{_first_of(self.notes)}")
        self.rating_count = len(hashes)
        self.repeated = repeated or _repeated(hashes)
        self._last_at = last_at
        self.report.users, self.report.items = len(self._liked), len(folder.movies)
        self.report.span = last_at - first_at

    @property
    def user_ids(self) -> Iterator[str]:
        return (user_id(key) for key in self._liked)

    def preference_rows(self) -> Iterator[Row]:
        return ((str(uuid5(NAMESPACE_URL, f"preferences/{owner}")), owner) for owner in self.user_ids)

    def user_genre_rows(self) -> Iterator[Row]:
        """Yield the three genres in which each user liked most items, ties by name."""
        for key, liked in self._liked.items():
            ranked = sorted(liked, key=lambda genre: (-liked[genre], genre))
            for genre in ranked[:_FAVORITE_GENRES]:
                yield user_id(key), genre

    def shift(self, now: datetime | None) -> timedelta:
        return timedelta() if now is None else now - self._last_at


@lru_cache(_REMEMBERED_IDS)
def user_id(key: str) -> str:
    """Return the fixed UUID of a user of a MovieLens file."""
    return str(uuid5(NAMESPACE_URL, f"movielens/user/{key}"))


@lru_cache(_REMEMBERED_IDS)
def item_id(key: str) -> str:
    """Return the fixed UUID of a movie of a MovieLens file."""
    return str(uuid5(NAMESPACE_URL, f"movielens/movie/{key}"))


def refuse_another_scale(above: int, ratings: int, scale: float) -> None:
    """Refuse ratings if too many are above the scale to be mistakes: the others would be a biased sample.

    Args:
        above: how many are above it.
        ratings: how many there are.
        scale: the highest possible rating.

    Raises:
        LoadError: at least 10 are above it, and more than 1 %.
    """
    if above >= _MANY_ABOVE and above > _LARGE_SHARE * ratings:
        raise LoadError(
            f"{above:,} of {ratings:,} ratings are above {scale:g}: give the highest possible rating "
            "with --scale, which may be 5 or 10"
        )


def interaction_of(stars: float) -> tuple[str, float]:
    """Return the interaction type and value of a rating on the scale up to 5."""
    if stars >= _LIKED_STARS:
        return "LIKE", 2.0
    if stars >= _WATCHED_STARS:
        return "WATCH", 0.75
    return "DISLIKE", -2.0


def _movie(key: str, text: str, genres: str, line: Line, adjusted: LineNotes) -> Movie:
    match = _TITLE_AND_YEAR.fullmatch(text)
    title, year = (text, None) if match is None else (match["title"], int(match["year"]))
    if len(title) > _TITLE_CHARACTERS:
        adjusted.add(f"title was cut to {_TITLE_CHARACTERS} characters", line)
    names = [name.strip() for name in genres.split("|")]
    if any(len(name) > _GENRE_CHARACTERS for name in names):
        adjusted.add(f"genre was cut to {_GENRE_CHARACTERS} characters", line)
    cut = (name[:_GENRE_CHARACTERS] for name in names if name and name != _NO_GENRES)
    return Movie(key, title[:_TITLE_CHARACTERS], year, tuple(dict.fromkeys(cut)))


def _item_row(movie: Movie) -> Row:
    return (item_id(movie.key), movie.title, None, movie.year, "MOVIE", None, None, None)


def _number(text: str) -> float | None:
    """Parse a finite number in decimal notation; None if it is none."""
    try:
        # float() would accept 1_000.
        number = math.nan if "_" in text else float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _utc_time(text: str) -> datetime | None:
    """Parse Unix seconds or milliseconds, or ISO 8601 (by default UTC), from 1970 to 2099, to naive UTC."""
    number = _number(text)
    if number is not None:
        seconds = number / 1000 if number >= _EARLIEST_MILLISECONDS else number
        return _EPOCH + timedelta(seconds=seconds) if 0 <= seconds < _LATEST_RATING_S else None
    try:
        time = datetime.fromisoformat(text)
        if time.tzinfo is not None:
            time = time.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        return None
    return time if _EPOCH <= time < _LATEST else None


def _repeated(hashes: "array[int]") -> frozenset[int]:
    """Return the hashes that occur more than once."""
    ordered = np.frombuffer(hashes, dtype=np.int64).copy()
    ordered.sort()
    return frozenset(ordered[1:][ordered[1:] == ordered[:-1]].tolist())


def _first_of(notes: ReadNotes) -> str:
    """Return the most frequent reason for skipping, with its first line, to end an error message."""
    for reason, count, first in notes.skipped:
        return f"; skipped {count:,} where {reason}, as in {first[0]}"
    return ""
