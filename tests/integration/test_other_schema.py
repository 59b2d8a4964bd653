"""An app with integer or text keys overlays SQL files and changes two settings; no Python changes."""

import json
import re
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest
from psycopg import sql

from config.setting_types import ROOT
from recommender.cli.main import main
from recommender.databases.queries import SQL_ROOT
from recommender.entities import DatabaseName
from tests.support.clients import NO_CAPS, PATIENT, ids, running_client
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


_AS_INTEGER = "('x' || left(replace({column}::text, '-', ''), 12))::bit(48)::bigint + 1"
_TO_INTEGER = f"ALTER TABLE {{table}} ALTER COLUMN {{column}} TYPE bigint USING {_AS_INTEGER}"
_TO_TEXT = f"ALTER TABLE {{table}} ALTER COLUMN {{column}} TYPE text USING 'ep' || ({_AS_INTEGER})"


def use_keys(urls: Urls, change: LiteralString) -> None:
    for name, tables in _KEYS.items():
        with psycopg.connect(urls[name]) as connection:
            for table, columns in tables.items():
                for column in columns:
                    names = {"table": sql.Identifier(table), "column": sql.Identifier(column)}
                    connection.execute(sql.SQL(change).format(**names))
            connection.execute("ANALYZE")


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
    use_keys(databases, _TO_INTEGER)
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
    use_keys(databases, _TO_INTEGER)
    overlaid = {"SQL_PATH": str(integer_sql), "ID_PATTERN": "[1-9][0-9]{0,18}"}
    for name, value in (variables(databases) | overlaid).items():
        monkeypatch.setenv(name, value)
    output = tmp_path / "out"
    assert main(["batch", "--all-users", "--output", str(output), "--limit", "1"]) == 0
    answered = [json.loads(line)["user_id"] for line in output.read_text().splitlines()]
    assert answered == sorted(set(answered))
    assert set(Reference(databases).users) <= set(answered)


def as_text(key: str) -> str:
    """Map a UUID to a text, always the same one; lengths differ."""
    return f"ep{as_integer(key)}"


def documented_replacements(heading: str) -> list[tuple[str, str]]:
    """Return the rows of the table below a heading: what to replace by what."""
    document = (ROOT / "docs" / "how-to" / "use-your-own-tables.md").read_text()
    section = document.split(f"## {heading}\n")[1].split("\n## ")[0]
    return re.findall(r"^\| (?:every other )?`(.+?)` \| `(.+?)` \|$", section, flags=re.MULTILINE)


def write_text_sql(folder: Path) -> None:
    """Write our SQL with the replacements of the documentation; … stands for an argument."""
    replacements = documented_replacements("Use text keys")
    assert len(replacements) == 4
    for path in SQL_ROOT.glob("*_db/*.sql"):
        text = path.read_text()
        for old, new in replacements:
            pattern = re.escape(old).replace("…", r"([^()]+)")
            text = re.sub(pattern, new.replace("…", r"\1"), text)
        (folder / path.parent.name).mkdir(exist_ok=True)
        (folder / path.parent.name / path.name).write_text(text)


def test_text_keys_take_the_documented_replacements(databases: Urls, tmp_path: Path) -> None:
    before = Reference(databases)
    user = next(user for user in before.users if 5 < len(before.seen[user]) < 40)
    use_keys(databases, _TO_TEXT)
    write_text_sql(tmp_path)
    patterns = {"ID_PATTERN": "[a-z0-9_]{1,32}", "MEDIA_ID_PATTERN": "[a-z0-9_]{1,32}"}
    with running_client(databases, SQL_PATH=str(tmp_path), **patterns, **NO_CAPS, **PATIENT) as client:
        answer = client.get(f"/api/recommendations/{as_text(user)}?limit=100").get_json()
        similar = client.get(f"/api/media/{ids(answer)[0]}/similar").get_json()
    expected = Reference(databases).rank(as_text(user))
    assert (answer["user_id"], answer["degraded"]) == (as_text(user), [])
    assert ids(answer) == [scored.item_id for scored in expected][:100]
    assert (similar["strategy"], similar["degraded"]) == ("collaborative", [])
