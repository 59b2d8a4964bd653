"""Another domain for tests: recipes, in tables with other names and bigint keys, and their reference."""

import random
import re
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

import psycopg
from psycopg import sql

from recommender.databases.queries import SQL_ROOT
from recommender.domains.attributes import Attribute, AttributeKind
from recommender.domains.base import Domain, Verbs
from recommender.entities import DatabaseName
from tests.support.postgres import Urls
from tests.support.reference import Reference, Row, plain_name

USER, CATALOG, ENGAGEMENT = DatabaseName

RECIPES = Domain(
    singular="recipe",
    plural="recipes",
    verbs=Verbs("loved", "cooked"),
    attributes=(
        Attribute("name", AttributeKind.TEXT),
        Attribute("minutes", AttributeKind.NUMBER, whole=True, bounds=(1, 10_000)),
        Attribute("cuisine", AttributeKind.CATEGORY),
        Attribute("ingredients", AttributeKind.SET, column="ingredient_names", parameter="ingredient"),
    ),
    indexed=("ingredients", "cuisine", "minutes"),
    title="name",
)
SETTINGS = {
    "ID_PATTERN": "[1-9][0-9]{0,17}",
    "MEDIA_ID_PATTERN": "[1-9][0-9]{0,17}",
    "LIKE_TYPES": "LOVED",
    "WATCH_TYPES": "COOKED",
    "DISLIKE_TYPES": "HATED",
}
_SCHEMA = {
    USER: (
        "CREATE TABLE cooks (id bigint PRIMARY KEY);CREATE TABLE cook_tastes (cook bigint, ingredient text)"
    ),
    CATALOG: (
        "CREATE TABLE recipes (id bigint PRIMARY KEY, name text, minutes int, cuisine text, retired boolean);"
        "CREATE TABLE recipe_ingredients (recipe bigint, ingredient text)"
    ),
    ENGAGEMENT: (
        "CREATE TABLE meals (id bigint PRIMARY KEY, cook bigint, recipe bigint, verdict text, stars float8, "
        "at timestamp)"
    ),
}
# The app's tables and columns, by the names that our statements use.
_TABLES = {
    "interaction": "SELECT id, cook AS user_id, recipe AS media_id, verdict AS type, "
    "stars AS interaction_value, at AS timestamp FROM meals",
    "user_preferences": "SELECT id AS user_id FROM cooks",
    "tb_user_genre": "SELECT cook AS user_id, ingredient AS genre_name FROM cook_tastes",
}
_TABLE = re.compile(rf"\b(FROM|JOIN) ({'|'.join(_TABLES)})\b(?: AS (\w+))?")
_INGREDIENTS = (
    "(SELECT array_agg(DISTINCT i.ingredient ORDER BY i.ingredient) FROM recipe_ingredients AS i "
    "WHERE i.recipe = r.id AND i.ingredient IS NOT NULL) AS ingredient_names"
)
_CATALOG_SQL = {
    "fetch_media": (
        "-- name: fetch_media(media_ids)\n"
        f"SELECT r.id::text, r.name, r.minutes, r.cuisine, {_INGREDIENTS} FROM recipes AS r "
        "WHERE r.id = any(:media_ids::text[]::bigint[]) AND NOT r.retired;"
    ),
    "fetch_catalogue": (
        "-- name: fetch_catalogue()\n"
        f"SELECT {_INGREDIENTS}, r.cuisine, r.minutes, r.id::text, int8send(r.id) FROM recipes AS r "
        "WHERE NOT r.retired;"
    ),
    "fetch_existing_keys": (
        "-- name: fetch_existing_keys()\n"
        "SELECT string_agg(int8send(r.id), ''::bytea) FROM recipes AS r WHERE NOT r.retired;"
    ),
}


def write_sql(folder: Path) -> Path:
    """Write the query files of the app: ours for its tables, and three of its own."""
    for name in DatabaseName:
        (folder / name).mkdir()
        for path in (SQL_ROOT / name).glob("*.sql"):
            text = _CATALOG_SQL.get(path.stem) if name is CATALOG else _over_their_tables(path.read_text())
            (folder / name / path.name).write_text(text or path.read_text())
    return folder


def _over_their_tables(text: str) -> str:
    keyed = (
        text.replace("given.user_key::uuid", "('x' || given.user_key)::bit(64)::bigint")
        .replace("uuid_send", "int8send")
        .replace("uuid", "bigint")
    )
    return _TABLE.sub(lambda found: f"{found[1]} ({_TABLES[found[2]]}) AS {found[3] or found[2]}", keyed)


def fill(urls: Urls) -> None:
    """Create the tables with 60 cooks, 90 recipes and meals of the last weeks, with spellings and gaps."""
    chance = random.Random(5)  # noqa: S311 - may be guessed
    pantry = ["Basil", "basil ", "RICE", "rice", "lemon", "Cr\u00e8me", "Cre\u0300me", "chili", "egg", "leek"]
    now = datetime.now(UTC).replace(tzinfo=None)
    cooks, recipes = range(1, 61), range(1001, 1091)
    rows: dict[tuple[DatabaseName, str], list[tuple[object, ...]]] = {
        (USER, "cooks"): [(cook,) for cook in cooks],
        (USER, "cook_tastes"): [(cook, name) for cook in cooks[:50] for name in chance.sample(pantry, 3)],
        (CATALOG, "recipes"): [
            (
                recipe,
                f"Dish {recipe}",
                chance.choice([None, 15, 30, 45, 90]),
                chance.choice(["Thai", "THAI ", "French", None]),
                recipe % 20 == 0,
            )
            for recipe in recipes
        ],
        (CATALOG, "recipe_ingredients"): [
            (recipe, name) for recipe in recipes[5:] for name in chance.sample([*pantry, None], 4)
        ],
        (ENGAGEMENT, "meals"): [
            (
                number,
                chance.choice(cooks[3:]),
                chance.choice(recipes),
                chance.choice(["LOVED", "COOKED", "COOKED", "HATED", "SHARED"]),
                chance.choice([0.5, 1.0, 2.0, None]),
                now - timedelta(hours=number / 2),
            )
            for number in range(1, 900)
        ],
    }
    for name, url in urls.items():
        with psycopg.connect(url) as connection:
            connection.execute(_SCHEMA[name].encode())
            for (database, table), values in rows.items():
                if database is name:
                    insert = sql.SQL("INSERT INTO {} VALUES ({})").format(
                        sql.Identifier(table), sql.SQL(", ").join([sql.Placeholder()] * len(values[0]))
                    )
                    connection.cursor().executemany(insert, values)


class RecipeReference(Reference):
    """The slow reading of the formulas, over the tables of recipes."""

    @cached_property
    def genres_of_user(self) -> dict[str, set[str]]:
        return self._named(USER, "SELECT cook::text, ingredient FROM cook_tastes")

    @cached_property
    def genres_of_items(self) -> dict[str, set[str]]:
        return self._named(CATALOG, "SELECT recipe::text, ingredient FROM recipe_ingredients")

    @cached_property
    def catalog(self) -> set[str]:
        return {row[0] for row in self.rows(CATALOG, "SELECT id::text FROM recipes WHERE NOT retired")}

    @cached_property
    def interactions(self) -> list[Row]:
        words = {"LOVED": "LIKE", "COOKED": "WATCH", "HATED": "DISLIKE"}
        meals = self.rows(ENGAGEMENT, "SELECT cook::text, recipe::text, verdict, stars, at FROM meals")
        return [(cook, recipe, words.get(verdict), stars, at) for cook, recipe, verdict, stars, at in meals]

    def _named(self, name: DatabaseName, query: str) -> dict[str, set[str]]:
        named: defaultdict[str, set[str]] = defaultdict(set)
        for owner, ingredient in self.rows(name, query):
            if ingredient is not None:
                named[owner].add(plain_name(ingredient))
        return named
