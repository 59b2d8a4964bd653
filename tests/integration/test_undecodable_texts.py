"""Databases in other encodings than UTF-8: characters without an equivalent are replaced."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from recommender.databases.texts import adapt_texts, statement_for
from recommender.demo.embedded import PostgresServer, server_url
from recommender.demo.generate import DemoData
from recommender.demo.load import load_demo
from recommender.entities import DatabaseName
from tests.support.checks import Checker
from tests.support.clients import NO_CAPS, PATIENT, get, no_progress, post_batch, running_client
from tests.support.commands import runner
from tests.support.postgres import Urls

USER, CATALOG, ENGAGEMENT = DatabaseName
# Partly Latin-1, partly UTF-8, and the first half of a UTF-8 character.
TITLE, TITLE_SHOWN = rb"Am\xe9lie \xc3\xa0 Paris \xc3", "Am\ufffdlie à Paris \ufffd"
GENRE, GENRE_SHOWN = rb"Com\xe9die", "Com\ufffddie"


@contextmanager
def demo_databases(server: PostgresServer, generated: DemoData, encoding: str) -> Iterator[Urls]:
    """Make the demo's databases in an encoding, and drop them at the end."""
    with psycopg.connect(server_url(server, "postgres"), autocommit=True) as connection, ExitStack() as stack:
        for name in DatabaseName:
            connection.execute(
                f"CREATE DATABASE {encoding}_{name} ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C' "
                "TEMPLATE template0".encode()
            )
            stack.callback(connection.execute, f"DROP DATABASE {encoding}_{name} WITH (FORCE)".encode())
        urls = {name: server_url(server, f"{encoding}_{name}") for name in DatabaseName}
        load_demo(urls, generated, no_progress)
        yield urls


@pytest.fixture(scope="module")
def urls(server: PostgresServer, generated: DemoData) -> Iterator[Urls]:
    with demo_databases(server, generated, "sql_ascii") as urls:
        yield urls


def execute(url: str, statement: bytes) -> None:
    """Run a statement as bytes: a client of the same encoding sends and gets bytes."""
    with psycopg.connect(url) as connection:
        connection.execute(statement)


def answers(urls: Urls, users: list[str]) -> list[dict[str, Any]]:
    with running_client(urls, **NO_CAPS, **PATIENT) as client:
        return [get(client, user, explain="true", limit=100) for user in users]


@pytest.fixture(scope="module")
def users(urls: Urls) -> list[str]:
    """Users who state the undecodable genre, and like or watch items."""
    with psycopg.connect(urls[USER]) as connection:
        rows = connection.execute(
            b"SELECT DISTINCT user_id FROM tb_user_genre WHERE genre_name = 'DRAMA' ORDER BY 1 LIMIT 20"
        )
        return [str(user_id) for (user_id,) in rows]


@pytest.fixture(scope="module")
def before(urls: Urls, users: list[str]) -> list[dict[str, Any]]:
    """Return the recommendations of the users before the change."""
    return answers(urls, users)


@pytest.fixture(scope="module")
def spoiled(urls: Urls, before: list[dict[str, Any]]) -> Urls:
    """Make texts of every kind invalid UTF-8; of the titles, that of one item."""
    item_id = before[0]["recommendations"][0]["id"].encode()
    execute(urls[CATALOG], b"UPDATE medias SET title = E'" + TITLE + b"' WHERE id = '" + item_id + b"'")
    execute(urls[CATALOG], b"UPDATE medias SET description = E'\\xff', media_type = E'S\\xe9rie'")
    for name, table in ((CATALOG, b"tb_media_genre"), (USER, b"tb_user_genre")):
        execute(
            urls[name], b"UPDATE " + table + b" SET genre_name = E'" + GENRE + b"' WHERE genre_name = 'DRAMA'"
        )
    execute(
        urls[ENGAGEMENT],
        b"INSERT INTO interaction (id, user_id, media_id, type, timestamp) "
        b"VALUES (-1, gen_random_uuid(), '" + item_id + b"', E'\\xfc', now() AT TIME ZONE 'UTC')",
    )
    return urls


def test_an_undecodable_title_degrades_no_page(
    spoiled: Urls, users: list[str], before: list[dict[str, Any]]
) -> None:
    after = answers(spoiled, users)
    assert [answer["degraded"] for answer in after] == [[]] * len(users)
    first = after[0]["recommendations"][0]
    assert (first["title"], first["description"], first["media_type"]) == (
        TITLE_SHOWN,
        "\ufffd",
        "S\ufffdrie",
    )
    for now, then in zip(after, before, strict=True):
        assert [(item["id"], item["recommendation_score"]) for item in now["recommendations"]] == [
            (item["id"], item["recommendation_score"]) for item in then["recommendations"]
        ]
        assert {GENRE_SHOWN for item in now["recommendations"] if GENRE_SHOWN in item["matched_genres"]} == {
            GENRE_SHOWN
        }


def test_every_part_of_the_service_reads_undecodable_texts(spoiled: Urls, users: list[str]) -> None:
    with running_client(spoiled, **NO_CAPS, **PATIENT) as client:
        assert post_batch(client, users)["total_users"] == len(users)
        answer = client.get("/api/media/popular", query_string={"genre": GENRE_SHOWN}).get_json()
        assert answer["media"]
        assert answer["degraded"] == []
        for path in ("users", f"users/{users[0]}", f"media/{answer['media'][0]['id']}/similar"):
            response = client.get(f"/explorer/{path}")
            assert (response.status_code, "does not answer" in response.text) == (200, False)
            assert GENRE_SHOWN in response.text


def test_commands_read_undecodable_texts(
    spoiled: Urls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = runner(spoiled, monkeypatch, capsys)
    monkeypatch.setenv("MODEL_PATH", str(tmp_path / "models"))
    batch = run("batch", "--all-users", "--output", tmp_path / "out.ndjson")
    assert (batch.status, "0 degraded, 0 skipped" in batch.out) == (0, True)
    lines = [json.loads(line) for line in (tmp_path / "out.ndjson").read_text().splitlines()]
    items = [item for line in lines for item in line["recommendations"]]
    assert GENRE_SHOWN in {genre for item in items for genre in item["genres"]}
    assert run("train", "neighbours").status == 0


def test_check_reads_undecodable_texts(spoiled: Urls, check: Checker) -> None:
    report = check(spoiled)
    assert "error" not in {finding["level"] for finding in report.findings}, report.findings
    assert "\ufffd" in json.dumps(report.findings, ensure_ascii=False)


@pytest.mark.parametrize("binary", [False, True])
def test_texts_of_every_type_are_replaced_in_either_format(urls: Urls, *, binary: bool) -> None:
    with psycopg.connect(urls[CATALOG], client_encoding="UTF8") as connection:
        adapt_texts(connection)
        cursor = connection.cursor(binary=binary)
        for kind in ("text", "varchar(9)", "char(3)", "name"):
            row = cursor.execute(
                f"SELECT E'\\xe9a\\xc3'::{kind}, ARRAY[E'\\xe9', 'à', NULL]::{kind}[]".encode()
            ).fetchone()
            assert row is not None
            assert row[0] == "\ufffda\ufffd", kind
            assert [value and value.strip() for value in row[1]] == ["\ufffd", "à", None], kind
        row = cursor.execute("SELECT %s::text, %s::text[]", ("é日", ["é", "日"])).fetchone()
        assert row == ("é日", ["é", "日"])


@pytest.fixture
def latin_urls(server: PostgresServer, generated: DemoData) -> Iterator[Urls]:
    """Databases in WIN1252, which has bytes without an equivalent in UTF-8."""
    with demo_databases(server, generated, "win1252") as urls:
        yield urls


def test_a_byte_without_equivalent_in_utf_8_costs_one_character(latin_urls: Urls) -> None:
    for name, table, column in (
        (CATALOG, "medias", "title"),
        (CATALOG, "tb_media_genre", "genre_name"),
        (USER, "tb_user_genre", "genre_name"),
    ):
        with psycopg.connect(latin_urls[name], client_encoding="WIN1252") as connection:
            connection.execute(
                sql.SQL("UPDATE {} SET {column} = left({column}, 20) || E'\\xe9\\x81'").format(
                    sql.Identifier(table), column=sql.Identifier(column)
                )
            )
    with psycopg.connect(latin_urls[USER]) as connection:
        row = connection.execute("SELECT user_id::text FROM tb_user_genre LIMIT 1").fetchone()
        assert row is not None
    variables = {"LIKE_TYPES": "LIKE,FAVORITE,Любимое"}
    with running_client(latin_urls, **NO_CAPS, **PATIENT, **variables) as client:
        answer = get(client, row[0])
        assert answer["degraded"] == []
        for item in answer["recommendations"]:
            assert item["title"].endswith("é\ufffd")
            assert all(genre.endswith("é\ufffd") for genre in item["genres"])
        response = client.get("/explorer/users", query_string={"q": "ж"})
        assert (response.status_code, "does not answer" in response.text) == (200, False)
        assert client.get("/ready").get_json()["databases"][USER] != "down"


def test_statements_and_parameters_reach_databases_of_other_encodings(latin_urls: Urls) -> None:
    with psycopg.connect(latin_urls[CATALOG], client_encoding="UTF8") as connection:
        adapt_texts(connection)
        statement = statement_for(connection, "SELECT 'é' = %s, %s::text, 'ж' = %s".encode())
        assert connection.execute(statement, ("é", "a日", "ж?")).fetchone() == (True, "a\x1a", False)


def test_databases_in_utf_8_are_read_as_before(shared_databases: Urls) -> None:
    with psycopg.connect(shared_databases[CATALOG], client_encoding="UTF8") as connection:
        adapt_texts(connection)
        assert connection.info.encoding == "utf-8"
