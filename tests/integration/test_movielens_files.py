"""MovieLens files in various forms: readable lines are loaded, and others are reported."""

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from recommender.demo.embedded import PostgresServer
from recommender.demo.movielens import LoadReport, MovieLensFolder, item_id, user_id
from recommender.entities import DatabaseName
from recommender.errors import LoadError
from tests.support.clients import no_progress
from tests.support.commands import Run
from tests.support.postgres import Templates, Urls
from tests.support.reference import Reference

MOVIES = "movieId,title,genres\n1,Heat (1995),Crime\n2,Casino (1995),Drama\n"
RATINGS = "userId,movieId,rating,timestamp\n7,1,4,1000000000\n7,2,2,1000000000\n"
BILLION = datetime(2001, 9, 9, 1, 46, 40)  # noqa: DTZ001 - the databases' timestamps are naive UTC


@pytest.fixture(scope="module")
def loaded_before(server: PostgresServer) -> Iterator[Urls]:
    """Create databases for all tests that load files. Each replaces the data of the one before."""
    with Templates(server, "movielens_files").create() as urls:
        yield urls


def load(
    urls: Urls,
    folder: Path,
    movies: str | bytes = MOVIES,
    ratings: str | bytes = RATINGS,
    suffix: str = "csv",
) -> LoadReport:
    for name, content in (("movies", movies), ("ratings", ratings)):
        data = content if isinstance(content, bytes) else content.encode()
        (folder / f"{name}.{suffix}").write_bytes(data)
    return MovieLensFolder(folder).load(urls, no_progress, replace=True)


def items(urls: Urls) -> list[tuple[object, ...]]:
    query = "SELECT title, release_year FROM medias ORDER BY title"
    return Reference(urls).rows(DatabaseName.CATALOG, query)


def genres(urls: Urls) -> list[str]:
    query = "SELECT genre_name FROM tb_media_genre ORDER BY 1"
    return [str(row[0]) for row in Reference(urls).rows(DatabaseName.CATALOG, query)]


def interactions(urls: Urls) -> list[tuple[object, ...]]:
    query = "SELECT user_id::text, media_id::text, type, timestamp FROM interaction ORDER BY id"
    return Reference(urls).rows(DatabaseName.ENGAGEMENT, query)


LOADED = [(user_id("7"), item_id("1"), "LIKE", BILLION), (user_id("7"), item_id("2"), "DISLIKE", BILLION)]


@pytest.mark.parametrize(
    ("movies", "ratings", "suffix"),
    [
        ("1,Heat (1995),Crime\n2,Casino (1995),Drama\n", "7,1,4,1000000000\n7,2,2,1000000000\n", "csv"),
        ("1::Heat (1995)::Crime\n2::Casino (1995)::Drama", "7::1::4::1000000000\n7::2::2::1e9", "dat"),
        (
            "genres,MOVIEID,Title\nCrime,1,Heat (1995)\nDrama,2,Casino (1995)\n",
            "timestamp,rating,note,movie_id,User ID\n1000000000,4,,1,7\n1000000000,2,x,2,7\n",
            "csv",
        ),
        (f"\ufeff{MOVIES}", f"\ufeff{RATINGS}", "csv"),
        ("\ufeff1,Heat (1995),Crime\n2,Casino (1995),Drama\n", f"\n  \n{RATINGS}\n\n", "csv"),
        (MOVIES.replace("\n", "\r\n"), RATINGS.replace("\n", "\r"), "csv"),
        (
            '"movieId", "title", "genres"\n"1", "Heat (1995)", "Crime"\n"2", "Casino (1995)", "Drama"\n',
            RATINGS.replace(",", " , "),
            "csv",
        ),
        (
            "title::genres::movieId\nHeat (1995)::Crime::1\nCasino (1995)::Drama::2\n",
            "7::1::4::1000000000\n7::2::2::1000000000\n",
            "dat",
        ),
    ],
)
def test_columns_are_found_by_the_header_and_by_their_order_without_one(
    loaded_before: Urls, tmp_path: Path, movies: str, ratings: str, suffix: str
) -> None:
    report = load(loaded_before, tmp_path, movies, ratings, suffix)
    assert interactions(loaded_before) == LOADED
    assert items(loaded_before) == [("Casino", 1995), ("Heat", 1995)]
    assert genres(loaded_before) == ["Crime", "Drama"]
    assert not report.skipped
    assert not report.adjusted


@pytest.mark.parametrize(
    "time",
    [
        "1000000000.0",
        "1000000000000",
        "1e12",
        "2001-09-09T01:46:40",
        "2001-09-09 01:46:40",
        "2001-09-09T01:46:40Z",
        "2001-09-09T03:46:40+02:00",
        "2001-09-08 18:46:40.000-07:00",
    ],
)
def test_times_are_unix_time_or_iso_8601_and_become_utc(
    loaded_before: Urls, tmp_path: Path, time: str
) -> None:
    load(loaded_before, tmp_path, ratings=RATINGS.replace("1000000000", time))
    assert interactions(loaded_before) == LOADED


@pytest.mark.parametrize(
    "time",
    [
        "",
        "yesterday",
        "nan",
        "inf",
        "-1",
        "1_000",
        "10000000000",
        "1e18",
        "1969-12-31",
        "0001-01-01T00:00+14:00",
    ],
)
def test_an_ambiguous_time_is_refused(loaded_before: Urls, tmp_path: Path, time: str) -> None:
    report = load(loaded_before, tmp_path, ratings=f"{RATINGS}8,1,4,{time}\n")
    assert interactions(loaded_before) == LOADED
    ((reason, count, (line,)),) = report.skipped
    assert reason.startswith("time is neither Unix time nor ISO 8601")
    assert (count, line.number) == (1, 4)


@pytest.mark.parametrize(
    ("lines", "titles", "noted"),
    [
        ('3,"Nixon, ""Dick"" (1995)",Drama\n', ['Nixon, "Dick"'], ([], [])),
        ('3,The "Gate" (1995),Drama\n', ['The "Gate"'], ([], [])),
        ('3,"Nixon (1995),Drama\n4,"Sabrina, The (1995)",Comedy\n', ['"Nixon', "Sabrina, The"], ([], [4])),
        (
            '3,"Nixon (1995),Drama\n4,"Jade (1995),Drama\n5,Four,Drama\n',
            ['"Jade', '"Nixon', "Four"],
            ([], [4, 5]),
        ),
        ('3,"Nixon" again (1995),Drama\n', ['"Nixon" again'], ([], [4])),
        ('3,"Nixon, The (1995),Drama\n4,Jade (1995),Drama\n', ["Jade"], ([4], [])),
        ('3,"Nixon\nand others (1995)",Drama\n4,Jade,Drama\n', ["Jade", "Nixon\nand others"], ([], [])),
        ('3,"Nixon\n4,Jade,Drama\n5,Four"\n', ["Jade"], ([4, 6], [])),
        ("3,Nixon,Drama\n3,Jade,Drama\n,Four,Drama\n", ["Nixon"], ([5, 6], [])),
        (f"3,{'x' * 300},Drama|{'y' * 51}\n", ["x" * 255], ([], [4, 4])),
        ("3,Ni\0xon,Drama\n", ["Nixon"], ([], [4])),
        ("3,Ni\u2028x\x1co\x85n,Drama\n", ["Ni\u2028x\x1co\x85n"], ([], [])),
    ],
)
def test_every_skipped_or_changed_line_is_reported(
    loaded_before: Urls,
    tmp_path: Path,
    lines: str,
    titles: list[str],
    noted: tuple[list[int], list[int]],
) -> None:
    report = load(loaded_before, tmp_path, movies=MOVIES + lines)
    loaded = [title for title, _ in items(loaded_before) if title not in {"Heat", "Casino"}]
    assert sorted(map(str, loaded)) == sorted(titles)
    assert noted == tuple(
        sorted(line.number for _, _, first in notes for line in first)
        for notes in (report.skipped, report.adjusted)
    )
    assert interactions(loaded_before) == LOADED


def test_lines_in_another_encoding_are_read_and_do_not_change_how_others_are(
    loaded_before: Urls, tmp_path: Path
) -> None:
    latin = "1::Amélie (2001)::Comedy\n".encode("latin-1")
    movies = latin + "2::Léon (1994)::Drama\n3::Ñandú to “x” (1999)::Drama\n".encode()
    report = load(loaded_before, tmp_path, movies, "7::1::4::1\n", "dat")
    assert [title for title, _ in items(loaded_before)] == ["Amélie", "Léon", "Ñandú to “x”"]
    ((reason, count, (line,)),) = report.adjusted
    assert (reason, count) == ("line is not UTF-8, and was read as Windows-1252", 1)
    assert str(line) == "movies.dat, line 1: 1::Amélie (2001)::Comedy"


def test_utf_16_is_refused_with_the_name_of_the_file(loaded_before: Urls, tmp_path: Path) -> None:
    with pytest.raises(Exception, match=re.escape("ratings.csv is UTF-16; save it as UTF-8")):
        load(loaded_before, tmp_path, ratings=RATINGS.encode("utf-16"))


def test_a_repeated_rating_counts_once_and_a_later_one_also_counts(
    loaded_before: Urls, tmp_path: Path
) -> None:
    again = "7,1,4.0,1000000000\n7,1,3,1000000001\n7,1,4,2001-09-09T01:46:40\n"
    report = load(loaded_before, tmp_path, ratings=RATINGS + again)
    assert [row[2] for row in interactions(loaded_before)] == ["LIKE", "DISLIKE", "WATCH"]
    assert report.interactions.total() == 3
    ((reason, count, first),) = report.skipped
    assert (reason, count) == ("rating is on an earlier line", 2)
    assert [line.number for line in first] == [4, 6]


def test_ratings_of_another_scale_are_refused_before_anything_is_written(
    loaded_before: Urls, tmp_path: Path
) -> None:
    load(loaded_before, tmp_path)
    before = interactions(loaded_before)
    ratings = "".join(f"{user},1,{1 + user % 10},1000000000\n" for user in range(100))
    with pytest.raises(LoadError, match=r"^50 of 100 ratings are above 5: .* --scale"):
        load(loaded_before, tmp_path, ratings=ratings)
    assert interactions(loaded_before) == before
    (tmp_path / "ratings.csv").write_text(ratings)
    loaded = MovieLensFolder(tmp_path, 10).load(loaded_before, no_progress, replace=True)
    assert loaded.interactions.total() == 100


def test_a_few_ratings_above_the_scale_are_skipped(loaded_before: Urls, tmp_path: Path) -> None:
    wrong = "".join(f"{user},1,6,1000000000\n" for user in range(9))
    report = load(loaded_before, tmp_path, ratings=RATINGS + wrong)
    assert [(reason, count) for reason, count, _ in report.skipped] == [("rating is not between 0 and 5", 9)]


def test_the_command_counts_by_reason_and_shows_the_first_lines(
    run: Run, empty_databases: Urls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in DatabaseName:
        monkeypatch.setenv(f"{name.upper()}_URL", empty_databases[name])
    (tmp_path / "movies.csv").write_text(MOVIES + f"3,{'x' * 300},Drama\n")
    unknown = "".join(f"7,{number},4,1000000000\n" for number in range(10, 15))
    (tmp_path / "ratings.csv").write_text(f"{RATINGS}{unknown}7,1,six\x1b[31m,1000000000\n\n")
    result = run("load-movielens", tmp_path)
    assert result.status == 0
    assert (
        "Skipped 5: movie is not in movies.csv.\n"
        "  ratings.csv, line 4: 7,10,4,1000000000\n"
        "  ratings.csv, line 5: 7,11,4,1000000000\n"
        "  ratings.csv, line 6: 7,12,4,1000000000\n"
        "  … and 2 more\n"
        "Skipped 1: rating is not between 0 and 5.\n"
        "  ratings.csv, line 9: 7,1,six\\x1b[31m,1000000000\n"
        "Adjusted 1: title was cut to 255 characters.\n"
        "  movies.csv, line 4: 3,xxx"
    ) in result.out
    assert "Skipped none" not in result.out
