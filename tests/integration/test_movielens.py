"""`load-movielens` fills the three databases, and overwrites data only on request."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from recommender.cli.load_movielens import load_movielens
from recommender.demo.embedded import PostgresServer
from recommender.demo.movielens import MovieLensFolder, item_id, user_id
from recommender.entities import DatabaseName
from recommender.errors import LoadError
from tests.support.clients import get, no_progress, running_client
from tests.support.postgres import Templates, Urls
from tests.support.reference import Reference

MOVIES = """movieId,title,genres
1,"American President, The (1995)",Comedy|Drama|Romance
2,Heat (1995),Action|Crime|Thriller
3,Untitled,(no genres listed)
4,Serial (2001-2004),Drama
5
"""
RATINGS = """userId,movieId,rating,timestamp
7,1,4.0,1000000000
7,2,3.5,1000086400
7,3,2.5,1000172800
8,1,5,1000000000
8,4,3,1000000000
8,99,5,1000000000
8,2,9,1000000000
nonsense
8,2,4,inf
8,2,4,10000000000
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "movies.csv").write_text(MOVIES)
    (tmp_path / "ratings.csv").write_text(RATINGS)
    return tmp_path


def load(monkeypatch: pytest.MonkeyPatch, urls: Urls, *arguments: str) -> Result:
    for name in DatabaseName:
        monkeypatch.setenv(f"{name.upper()}_URL", urls[name])
    return CliRunner().invoke(load_movielens, arguments)


def rows(urls: Urls, name: DatabaseName, query: str) -> list[tuple[object, ...]]:
    return Reference(urls).rows(name, query)


def test_ratings_become_interactions_and_movies_items(
    monkeypatch: pytest.MonkeyPatch, empty_databases: Urls, folder: Path
) -> None:
    result = load(monkeypatch, empty_databases, str(folder), "--keep-times")
    assert result.exit_code == 0, result.output
    assert "Loaded 2 users, 4 media and 5 interactions (1 DISLIKE, 2 LIKE, 2 WATCH)." in result.output
    assert "Skipped 1: movie is not in movies.csv." in result.output
    assert "Skipped 1: rating is not between 0 and 5." in result.output
    assert "Skipped 1: line does not have the 4 values of the header." in result.output
    assert "Skipped 2: time is neither Unix time nor ISO 8601, or not from 1970 to 2099." in result.output
    assert "Skipped 1: line does not have the 3 values of the header.\n  movies.csv, line 6: 5\n" in (
        result.output
    )
    interactions = rows(
        empty_databases,
        DatabaseName.ENGAGEMENT,
        "SELECT user_id::text, media_id::text, type, interaction_value, timestamp "
        "FROM interaction ORDER BY id",
    )
    start = datetime(2001, 9, 9, 1, 46, 40)  # noqa: DTZ001 - the databases' timestamps are naive UTC
    day = timedelta(days=1)
    assert interactions == [
        (user_id("7"), item_id("1"), "LIKE", 2.0, start),
        (user_id("7"), item_id("2"), "WATCH", 0.75, start + day),
        (user_id("7"), item_id("3"), "DISLIKE", -2.0, start + 2 * day),
        (user_id("8"), item_id("1"), "LIKE", 2.0, start),
        (user_id("8"), item_id("4"), "WATCH", 0.75, start),
    ]
    items = rows(
        empty_databases, DatabaseName.CATALOG, "SELECT title, release_year FROM medias ORDER BY title"
    )
    assert items == [
        ("American President, The", 1995),
        ("Heat", 1995),
        ("Serial", 2001),
        ("Untitled", None),
    ]
    stated = rows(
        empty_databases,
        DatabaseName.USER,
        "SELECT user_id::text, genre_name FROM tb_user_genre ORDER BY 1, 2",
    )
    assert stated == sorted(
        (user_id(user), genre) for user in "78" for genre in ("Comedy", "Drama", "Romance")
    )


def test_the_newest_rating_is_moved_to_now_and_a_long_span_is_reported(
    monkeypatch: pytest.MonkeyPatch, empty_databases: Urls, folder: Path
) -> None:
    ratings = folder / "ratings.csv"
    ratings.write_text(ratings.read_text() + "9,1,4,900000000\n")
    result = load(monkeypatch, empty_databases, str(folder))
    assert "The ratings span 1,159 days, but only the last 90 count." in result.output
    assert "INTERACTION_WINDOW_DAYS=0" in result.output
    ((newest, span),) = rows(
        empty_databases,
        DatabaseName.ENGAGEMENT,
        "SELECT max(timestamp), max(timestamp) - min(timestamp) FROM interaction",
    )
    assert isinstance(newest, datetime)
    assert datetime.now(UTC).replace(tzinfo=None) - newest < timedelta(minutes=1)
    assert span == timedelta(seconds=1000172800 - 900000000)


def test_the_older_format_and_the_scale_to_10_are_read(empty_databases: Urls, tmp_path: Path) -> None:
    (tmp_path / "movies.dat").write_bytes("1::Amélie (2001)::Comedy\n2::Se7en (1995)::\n".encode("latin-1"))
    (tmp_path / "ratings.dat").write_text("1::1::8::1\n1::2::7::2\n2::1::5::3\n")
    report = MovieLensFolder(tmp_path, scale=10).load(empty_databases, no_progress)
    assert report.interactions == {"LIKE": 1, "WATCH": 1, "DISLIKE": 1}
    titles = rows(empty_databases, DatabaseName.CATALOG, "SELECT title FROM medias ORDER BY title")
    assert titles == [("Amélie",), ("Se7en",)]


def test_filled_databases_are_replaced_only_on_request(
    monkeypatch: pytest.MonkeyPatch, databases: Urls, folder: Path
) -> None:
    count = "SELECT count(*) FROM interaction"
    before = rows(databases, DatabaseName.ENGAGEMENT, count)
    with pytest.raises(LoadError, match=r"user_db, catalog_db, engagement_db: .*--replace"):
        MovieLensFolder(folder).load(databases, no_progress)
    assert rows(databases, DatabaseName.ENGAGEMENT, count) == before
    result = load(monkeypatch, databases, str(folder), "--replace")
    assert result.exit_code == 0, result.output
    assert rows(databases, DatabaseName.ENGAGEMENT, count) == [(5,)]
    assert rows(databases, DatabaseName.CATALOG, "SELECT count(*) FROM medias") == [(4,)]
    with running_client(databases, INTERACTION_WINDOW_DAYS="0") as client:
        answer = get(client, user_id("8"))
    assert {item["title"] for item in answer["recommendations"]} == {"Heat", "Untitled"}


@pytest.fixture(scope="module")
def untouched(server: PostgresServer) -> Iterator[Urls]:
    """Create empty databases that no test fills."""
    with Templates(server, "untouched").create() as urls:
        yield urls


@pytest.mark.parametrize(
    ("movies", "ratings", "message"),
    [
        (None, RATINGS, "holds neither ratings.csv and movies.csv nor"),
        (
            "movieId,title\n1,x\n",
            RATINGS,
            "movies.csv: line 1 lacks the column genres; it has: movieId, title",
        ),
        ("movieId,title,genres\n", RATINGS, "movies.csv holds no movie that can be loaded"),
        ("", RATINGS, "movies.csv is empty"),
        ("genres,title,genres,movieId\n", RATINGS, "movies.csv: line 1 has two columns of one name"),
        (MOVIES, "user_id,item,rating,timestamp\n1,1,3,1\n", "ratings.csv: line 1 lacks the column movieId;"),
        (MOVIES, "userId,movieId,rating\n1,1,3\n", "ratings.csv: line 1 lacks the column timestamp;"),
        (
            MOVIES,
            "1,1,9,1000000000\n",
            "skipped 1 where rating is not between 0 and 5, as in ratings.csv, line 1",
        ),
        (MOVIES, "userId,movieId,rating,timestamp\n", "hold no line that can be loaded"),
    ],
)
def test_a_folder_without_valid_movielens_files_is_refused(
    untouched: Urls, tmp_path: Path, movies: str | None, ratings: str, message: str
) -> None:
    if movies is not None:
        (tmp_path / "movies.csv").write_text(movies)
    (tmp_path / "ratings.csv").write_text(ratings)
    with pytest.raises(LoadError, match=message):
        MovieLensFolder(tmp_path).load(untouched, no_progress)


def test_movielens_loads_whole(empty_databases: Urls, data_folder: Path) -> None:
    report = MovieLensFolder(data_folder / "ml-latest-small").load(empty_databases, no_progress)
    assert (report.users, report.items) == (671, 9_125)
    assert report.interactions == {"LIKE": 51_568, "WATCH": 30_602, "DISLIKE": 17_834}
    assert not report.skipped
    assert not report.adjusted


def test_movietweetings_loads_whole(empty_databases: Urls, data_folder: Path) -> None:
    report = MovieLensFolder(data_folder / "movietweetings-100k", scale=10).load(empty_databases, no_progress)
    assert (report.users, report.items) == (16_554, 10_506)
    assert report.interactions.total() == 100_000
    assert not report.skipped
    assert not report.adjusted
