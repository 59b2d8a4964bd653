"""A line of `.env` that would be ignored stops the start, and is named without its text."""

from pathlib import Path

import pytest

from config.setting_types import SettingsError
from config.settings import given_variables, load_overridden, load_settings


@pytest.fixture
def dotenv(tmp_path: Path) -> Path:
    return tmp_path / ".env"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("RATE_LIMIT='600/minute\n", [1]),
        ("# a comment\n\nDB_PASSWORD=\"it's secret\nRATE_LIMIT=600/minute\n", [3]),
        ('DB_PASSWORD="secret\nRATE_LIMIT="600/minute"\nPORT=7000\n', [1]),
        ("PORT=7000\r\n\r\nDB_HOST: secret\r\n", [3]),
        ("DB_HOST:\n  secret\n", [1]),
        ("DB_HOST:secret\n", [1]),
        ("USER_DB_URL:postgresql://u:secret@h/d?sslmode=require\n", [1]),
        ("DB_HOST secret\nDB_USER secret\n", [1, 2]),
        ("DB_PASSWORD='secret'secret\n", [1]),
        ("=secret\n", [1]),
    ],
)
def test_a_line_that_sets_no_variable_is_refused_by_its_number(
    dotenv: Path, text: str, lines: list[int]
) -> None:
    dotenv.write_bytes(text.encode())
    with pytest.raises(SettingsError) as caught:
        load_settings({}, dotenv_path=dotenv)
    said = str(caught.value)
    assert [line.partition(": not of the form")[0] for line in said.splitlines()] == [
        f"{dotenv}, line {number}" for number in lines
    ]
    assert "secret" not in said


def test_no_way_to_read_the_settings_accepts_such_a_line(dotenv: Path) -> None:
    dotenv.write_text("PORT: 7000\n")
    with pytest.raises(SettingsError, match="line 1"):
        load_overridden({}, {}, dotenv)
    with pytest.raises(SettingsError, match="line 1"):
        given_variables(dotenv)


def test_comments_quotes_exports_and_names_without_a_value_are_read(dotenv: Path) -> None:
    dotenv.write_text(
        "\ufeff# first\n\nexport PORT = 7000 # a comment\nDB_HOST='a # b'\nDB_PASSWORD=\"it's ${x}\"\n"
        "LIKE_TYPES='LIKE,\nLOVE'\nDB_USER\nMIN_HISTORY=\n  WORKERS=3"
    )
    settings = load_settings({"DB_USER": "app"}, dotenv_path=dotenv)
    assert (settings.http.port, settings.http.workers) == (7000, 3)
    assert settings.interaction_types.likes == ("LIKE", "LOVE")
    assert (
        settings.databases.url("user_db") == "postgresql://app:it%27s%20%24%7Bx%7D@a%20%23%20b:5432/user_db"
    )


def test_a_missing_file_and_a_folder_have_no_variables(dotenv: Path) -> None:
    assert load_settings({}, dotenv_path=dotenv).http.port == 5000
    dotenv.mkdir()
    assert load_settings({}, dotenv_path=dotenv).http.port == 5000
