"""An app's own attributes in a test: statements with more columns, and their declaration."""

from pathlib import Path

import psycopg

from recommender.databases.queries import SQL_ROOT
from recommender.entities import DatabaseName
from tests.support.postgres import Urls

CATALOG = DatabaseName.CATALOG

DECLARED = """
[language]
kind = "category"
description = "As spoken."

[age_rating]
kind = "number"

[tags]
kind = "set"
column = "tag_names"
"""
_COLUMNS = """,
    m.language::text AS language,
    m.age_rating::float8 AS age_rating,
    m.tags::text[] AS tag_names"""
# Spellings of a name are one name, and a NULL in a list is none.
VALUES: tuple[tuple[str | None, float | None, list[str | None] | None], ...] = (
    ("French", 6, ["Noir", "award  winner"]),
    (" FRENCH ", 12, ["noir", None]),
    ("français", 16, ["Award Winner", "NOIR", "noir"]),
    ("FRANC\u0327AIS", None, []),
    ("German", 18.5, ["quiet"]),
    (None, float("nan"), None),
    ("  ", 0, ["  "]),
)


def add_columns(urls: Urls) -> None:
    """Give each item one of VALUES, in turn."""
    with psycopg.connect(urls[CATALOG]) as connection:
        connection.execute(
            "ALTER TABLE medias ADD language text, ADD age_rating double precision, ADD tags text[]"
        )
        items = connection.execute("SELECT id FROM medias ORDER BY id").fetchall()
        connection.cursor().executemany(
            "UPDATE medias SET language = %s, age_rating = %s, tags = %s WHERE id = %s",
            [(*VALUES[place % len(VALUES)], row[0]) for place, row in enumerate(items)],
        )


def declare(folder: Path) -> dict[str, str]:
    """Write overlay and declaration. Return the variables to set."""
    (folder / CATALOG).mkdir()
    statement = (SQL_ROOT / CATALOG / "fetch_media.sql").read_text()
    (folder / CATALOG / "fetch_media.sql").write_text(
        statement.replace(") AS genre_names\nFROM", f") AS genre_names{_COLUMNS}\nFROM")
    )
    catalog = (SQL_ROOT / CATALOG / "fetch_catalogue.sql").read_text()
    (folder / CATALOG / "fetch_catalogue.sql").write_text(
        catalog.replace("AS media_key\nFROM", f"AS media_key{_COLUMNS}\nFROM").replace(
            "        am.id,\n", "        am.id,\n        am.language, am.age_rating, am.tags,\n"
        )
    )
    path = folder / "attributes.toml"
    path.write_text(DECLARED)
    return {"SQL_PATH": str(folder), "ATTRIBUTES_PATH": str(path)}
