"""An app with integer keys overlays SQL files and changes two settings; no Python changes."""

import json
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from recommender.cli.main import main
from recommender.databases.queries import SQL_ROOT
from recommender.entities import DatabaseName
from tests.support.clients import NO_CAPS, ids, running_client
from tests.support.commands import variables
from tests.support.postgres import Urls
from tests.support.reference import Reference

_KEYS = {
    DatabaseName.USER: {"user_preferences": ["id", "user_id"], "tb_user_genre": ["user_id"]},
    DatabaseName.CATALOG: {"medias": ["id"], "tb_media_genre": ["media_id"]},
    DatabaseName.ENGAGEMENT: {"interaction": ["user_id", "media_id"]},
}


def as_integer(key: str) -> int:
    """Map a UUID to a number, always the same one."""
    return int(key.replace("-", "")[:12], 16) + 1


def use_integer_keys(urls: Urls) -> None:
    for name, tables in _KEYS.items():
        with psycopg.connect(urls[name]) as connection:
            for table, columns in tables.items():
                for column in columns:
                    connection.execute(
                        sql.SQL(
                            "ALTER TABLE {table} ALTER COLUMN {column} TYPE bigint USING "
                            "('x' || left(replace({column}::text, '-', ''), 12))::bit(48)::bigint + 1"
                        ).format(table=sql.Identifier(table), column=sql.Identifier(column))
                    )


@pytest.fixture
def integer_sql(tmp_path: Path) -> Path:
    """Write our SQL with `bigint` and its binary form in place of `uuid`; nothing else changes."""
    for name in DatabaseName:
        (tmp_path / name).mkdir()
        for path in (SQL_ROOT / name).glob("*.sql"):
            (tmp_path / name / path.name).write_text(
                path.read_text()
                .replace("given.user_key::uuid", "('x' || given.user_key)::bit(64)::bigint")
                .replace("uuid_send", "int8send")
                .replace("uuid", "bigint")
            )
    return tmp_path


def test_integer_keys_take_an_overlay_and_two_settings(databases: Urls, integer_sql: Path) -> None:
    before = Reference(databases)
    user = next(user for user in before.users if 5 < len(before.seen[user]) < 40)
    use_integer_keys(databases)
    with running_client(
        databases,
        SQL_PATH=str(integer_sql),
        ID_PATTERN="[1-9][0-9]{0,18}",
        MEDIA_ID_PATTERN="[1-9][0-9]{0,18}",
        **NO_CAPS,
    ) as client:
        response = client.get(f"/api/recommendations/{as_integer(user)}?limit=100")
        assert response.status_code == 200
        answer = response.get_json()
        assert client.get(f"/api/recommendations/{user}").status_code == 400
        liked = ids(answer)[:3]
        similar = client.get(f"/api/media/{liked[0]}/similar").get_json()
        preview = client.post("/api/recommendations/preview", json={"liked": liked}).get_json()
    expected = Reference(databases).rank(str(as_integer(user)))
    assert (answer["user_id"], answer["degraded"]) == (str(as_integer(user)), [])
    assert ids(answer) == [scored.item_id for scored in expected][:100]
    assert (similar["strategy"], similar["degraded"]) == ("collaborative", [])
    assert (preview["strategy"], preview["degraded"]) == ("collaborative", [])


def test_all_users_with_integer_keys_are_each_once(
    databases: Urls, integer_sql: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_integer_keys(databases)
    overlaid = {"SQL_PATH": str(integer_sql), "ID_PATTERN": "[1-9][0-9]{0,18}"}
    for name, value in (variables(databases) | overlaid).items():
        monkeypatch.setenv(name, value)
    output = tmp_path / "out"
    assert main(["batch", "--all-users", "--output", str(output), "--limit", "1"]) == 0
    answered = [json.loads(line)["user_id"] for line in output.read_text().splitlines()]
    assert answered == sorted(set(answered))
    assert set(Reference(databases).users) <= set(answered)
