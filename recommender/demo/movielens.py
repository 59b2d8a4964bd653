"""MovieLens folders, and those of its kin, as rows for the three databases."""

import csv
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from recommender.demo.progress import Progress, Row
from recommender.demo.target import LoadTarget
from recommender.domain import DatabaseName
from recommender.errors import LoadError

_TITLE_AND_YEAR = re.compile(r"(?P<title>.*?)\s*\((?P<year>[0-9]{4})(?:[-\u2013][0-9]{0,4})?\)\s*")
_NO_GENRES = "(no genres listed)"
_FIVE_STARS = 5.0
_FAVOURITE_GENRES = 3
_LIKED_STARS = 4
_WATCHED_STARS = 3
_MOVIE_FIELDS = 3
_TITLE_CHARACTERS = 255
# The year 2100: what lies after it is more likely in milliseconds.
_LATEST_RATING_S = 4_102_444_800


@dataclass(frozen=True, slots=True)
class Movie:
    """A line of movies.csv or movies.dat."""

    key: str
    title: str
    year: int | None
    genres: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rating:
    """A line of ratings.csv or ratings.dat; `stars` on the scale to 5, `rated_at` in Unix seconds."""

    user_key: str
    movie_key: str
    stars: float
    rated_at: int


@dataclass(slots=True)
class LoadReport:
    """What was loaded, what was skipped and why, and the time the ratings span."""

    users: int = 0
    media: int = 0
    interactions: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    span: timedelta = timedelta()


class MovieLensFolder:
    """A folder with `ratings.csv` and `movies.csv`, or `ratings.dat` and `movies.dat` with `::` between.

    Args:
        folder: where the files are.
        scale: the highest rating there is, 5 or 10; ratings are brought to the scale to 5.

    Raises:
        LoadError: a file is missing or is not what its name says.
    """

    def __init__(self, folder: Path, scale: float = _FIVE_STARS) -> None:
        self._scale = scale
        self._skipped_movies: Counter[str] = Counter()
        for suffix in (".csv", ".dat"):
            self._ratings_path = folder / f"ratings{suffix}"
            self._movies_path = folder / f"movies{suffix}"
            if self._ratings_path.is_file() and self._movies_path.is_file():
                break
        else:
            raise LoadError(
                f"{folder} holds neither ratings.csv and movies.csv nor ratings.dat and movies.dat"
            )

    @cached_property
    def movies(self) -> dict[str, Movie]:
        """The movies by key, from lines that can be read."""
        movies = {}
        for fields in _lines(self._movies_path):
            if len(fields) != _MOVIE_FIELDS or not fields[0].strip():
                self._skipped_movies["movie line is not id, title, genres"] += 1
                continue
            movies[fields[0]] = movie = _movie(*fields)
            if len(movie.title) > _TITLE_CHARACTERS:
                self._skipped_movies[f"end of a title over {_TITLE_CHARACTERS} characters"] += 1
        if not movies:
            raise LoadError(f"{self._movies_path} holds no line of movie id, title and genres")
        return movies

    def ratings(self, skipped: Counter[str]) -> Iterator[Rating]:
        """The ratings of known movies; what is left out is counted by reason in `skipped`."""
        for fields in _lines(self._ratings_path):
            try:
                user_key, movie_key, rating, rated_at = fields
                stars = float(rating) * _FIVE_STARS / self._scale
                parsed = Rating(user_key, movie_key, stars, int(float(rated_at)))
            except (ValueError, OverflowError):
                skipped["line is not user, movie, rating, time"] += 1
                continue
            if not 0 <= stars <= _FIVE_STARS:
                skipped[f"rating is not between 0 and {self._scale:g}"] += 1
            elif not 0 <= parsed.rated_at <= _LATEST_RATING_S:
                skipped["time is not in Unix seconds"] += 1
            elif movie_key not in self.movies:
                skipped[f"movie is not in {self._movies_path.name}"] += 1
            else:
                yield parsed

    def load(
        self,
        urls: Mapping[DatabaseName, str],
        progress: Progress,
        *,
        replace: bool = False,
        now: datetime | None = None,
    ) -> LoadReport:
        """Fill the three databases.

        Args:
            urls: of the databases; missing tables and indexes are made.
            progress: shows how far along the rows are.
            replace: whether to overwrite what is there.
            now: naive UTC that the newest rating is moved to, the others along with it; None keeps times.

        Raises:
            LoadError: the databases hold something and `replace` is false, or PostgreSQL refuses.
        """
        report = LoadReport()
        survey = _Survey(self, report)
        report.skipped.update(self._skipped_movies)
        with LoadTarget(urls) as target, target.replacing(replace=replace):
            self._copy(survey, target, progress, now)
        return report

    def _copy(self, survey: "_Survey", target: LoadTarget, progress: Progress, now: datetime | None) -> None:
        movies = self.movies.values()
        user_genres = list(survey.user_genre_rows())
        media_genres = [(media_id(movie.key), genre) for movie in movies for genre in movie.genres]
        interactions = self._interaction_rows(survey.shift(now), survey.report)
        for database, query_name, label, rows, length in (
            (target.user_db, "copy_user_preferences", "users", survey.preference_rows(), survey.report.users),
            (target.user_db, "copy_user_genres", "preferences", user_genres, len(user_genres)),
            (target.catalog_db, "copy_media", "media", map(_media_row, movies), len(movies)),
            (target.catalog_db, "copy_media_genres", "genres of media", media_genres, len(media_genres)),
            (target.engagement_db, "copy_interactions", "interactions", interactions, survey.rating_count),
        ):
            database.copy(query_name, progress(rows, label, length))

    def _interaction_rows(self, shift: timedelta, report: LoadReport) -> Iterator[Row]:
        already_counted: Counter[str] = Counter()
        for row_id, rating in enumerate(self.ratings(already_counted), start=1):
            kind, value = interaction_of(rating.stars)
            report.interactions[kind] += 1
            yield (
                row_id,
                user_id(rating.user_key),
                media_id(rating.movie_key),
                kind,
                value,
                _timestamp(rating.rated_at) + shift,
            )


class _Survey:
    """A first pass over the ratings: who there is, what they like most, and when it was."""

    def __init__(self, folder: MovieLensFolder, report: LoadReport) -> None:
        self.report = report
        self.rating_count = 0
        self._liked: dict[str, Counter[str]] = defaultdict(Counter)
        self._movies = folder.movies
        first_at, last_at = None, None
        for rating in folder.ratings(report.skipped):
            self.rating_count += 1
            first_at = rating.rated_at if first_at is None else min(first_at, rating.rated_at)
            last_at = rating.rated_at if last_at is None else max(last_at, rating.rated_at)
            liked = self._liked[rating.user_key]
            if interaction_of(rating.stars)[0] == "LIKE":
                liked.update(self._movies[rating.movie_key].genres)
        if first_at is None or last_at is None:
            raise LoadError("the ratings hold no line that can be loaded; is the scale right?")
        self._last_at = last_at
        report.users, report.media = len(self._liked), len(self._movies)
        report.span = timedelta(seconds=last_at - first_at)

    @property
    def user_ids(self) -> Iterator[str]:
        return (user_id(key) for key in self._liked)

    def preference_rows(self) -> Iterator[Row]:
        return ((str(uuid5(NAMESPACE_URL, f"preferences/{owner}")), owner) for owner in self.user_ids)

    def user_genre_rows(self) -> Iterator[Row]:
        """The three genres that each user liked most media of, ties by name."""
        for key, liked in self._liked.items():
            ranked = sorted(liked, key=lambda genre: (-liked[genre], genre))
            for genre in ranked[:_FAVOURITE_GENRES]:
                yield user_id(key), genre

    def shift(self, now: datetime | None) -> timedelta:
        return timedelta() if now is None else now - _timestamp(self._last_at)


def user_id(key: str) -> str:
    """The UUID that a user of a MovieLens file always gets."""
    return str(uuid5(NAMESPACE_URL, f"movielens/user/{key}"))


def media_id(key: str) -> str:
    """The UUID that a movie of a MovieLens file always gets."""
    return str(uuid5(NAMESPACE_URL, f"movielens/movie/{key}"))


def interaction_of(stars: float) -> tuple[str, float]:
    """The type and value of a rating on the scale to 5."""
    if stars >= _LIKED_STARS:
        return "LIKE", 2.0
    if stars >= _WATCHED_STARS:
        return "WATCH", 0.75
    return "DISLIKE", -2.0


def _movie(key: str, text: str, genres: str) -> Movie:
    match = _TITLE_AND_YEAR.fullmatch(text)
    names = tuple(name for name in genres.split("|") if name and name != _NO_GENRES)
    if match is None:
        return Movie(key, text.strip(), None, names)
    return Movie(key, match["title"], int(match["year"]), names)


def _media_row(movie: Movie) -> Row:
    return (media_id(movie.key), movie.title[:_TITLE_CHARACTERS], None, movie.year, "MOVIE", None, None, None)


def _timestamp(unix_s: int) -> datetime:
    return datetime.fromtimestamp(unix_s, UTC).replace(tzinfo=None)


def _lines(path: Path) -> Iterator[list[str]]:
    """The fields of each line, without the header of a CSV file."""
    encoding = "utf-8" if _is_utf8(path) else "latin-1"
    with path.open(encoding=encoding, newline="") as file:
        if path.suffix == ".csv":
            rows: Iterable[list[str]] = csv.reader(file)
            next(iter(rows), None)
        else:
            rows = (line.rstrip("\r\n").split("::") for line in file)
        try:
            yield from (row for row in rows if row not in ([], [""]))
        except csv.Error as exc:
            raise LoadError(f"{path} is not CSV: {exc}") from exc


def _is_utf8(path: Path) -> bool:
    """MovieLens' older files are Latin-1, its newer ones and MovieTweetings' are UTF-8."""
    try:
        with path.open(encoding="utf-8") as file:
            for _ in file:
                pass
    except UnicodeDecodeError:
        return False
    return True
