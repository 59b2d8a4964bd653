"""The statements, tables and indexes that the service expects.

Declared here and not read from the SQL files, so that comments there have no effect. tests/sql compares these
declarations with what PostgreSQL reports on the statements, sql/schema/ and sql/indexes/.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from recommender.databases.queries import Query
from recommender.entities import DatabaseName

USER, CATALOG, ENGAGEMENT = DatabaseName


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement: what it returns, and when it runs.

    `returns`: the types of its columns, in order. `is_background`: no request waits for it, so that it may
    read a whole table. `consequence`: what happens if it fails, for statements that no request and no
    refresh runs.
    """

    returns: tuple[str, ...]
    is_background: bool = False
    consequence: str = ""


def _request(returns: str, consequence: str = "") -> Statement:
    return Statement(tuple(returns.split()), consequence=consequence)


def _background(returns: str, consequence: str = "") -> Statement:
    return Statement(tuple(returns.split()), is_background=True, consequence=consequence)


# fetch_media and fetch_catalogue: of the default domain; other domains declare their own.
STATEMENTS: Mapping[DatabaseName, Mapping[str, Statement]] = {
    USER: {
        "fetch_genre_preferences": _request("text text[]"),
        "search_users": _request("text", "the search of the explorer finds no users"),
        "stream_users": _background("text", "`batch --all-users` fails"),
    },
    CATALOG: {
        "fetch_catalogue": _background("text[] text int text bytea"),
        "fetch_existing_keys": _background("bytea"),
        "fetch_media": _request("text text text int text text text[]"),
    },
    ENGAGEMENT: {
        "count_active_users": _background("bigint"),
        "count_positive_users": _background("text bigint bigint"),
        "estimate_interactions": _background("bigint", "the trainer does not notice new interactions"),
        "fetch_example_user": _background("text", "`make run` prints no example user"),
        "fetch_histories": _request("text text[] text[] int[] boolean[] bytea"),
        "fetch_media_of_users": _request("bytea bytea bytea bytea bytea"),
        "fetch_media_of_users_repeated": _request("bytea bytea bytea bytea bytea"),
        "fetch_random_user": _request("text", "the explorer cannot pick a random user"),
        "fetch_recent_interactions": _request("text text float8 text", "the explorer shows no histories"),
        "fetch_shared_users": _request("bytea float8[] bigint"),
        "fetch_users_of_media": _request("bytea bytea bytea bytea"),
        "fetch_users_of_media_repeated": _request("bytea bytea bytea bytea"),
        "search_users": _request("text", "the search of the explorer finds no users"),
        "stream_exposures": _background("text text text text float8", "`experiments report` fails"),
        "stream_interactions": _background(
            "text text[] int[] float8[] float8[] boolean[]", "`evaluate`, `tune` and the trainer fail"
        ),
        "stream_later_positives": _background("text text[] boolean", "`evaluate --as-of` fails"),
        "stream_positive_histories": _background("text text[] float8[] boolean[] float8[]", "`train` fails"),
        "stream_users": _background("text", "`batch --all-users` fails"),
        "take_training_turn": _request("boolean", "the trainer fails"),
    },
}

# By table: columns and their types, as named in information_schema.
TABLES: Mapping[DatabaseName, Mapping[str, Mapping[str, str]]] = {
    USER: {
        "user_preferences": {"id": "uuid", "user_id": "uuid"},
        "tb_user_genre": {"user_id": "uuid", "genre_name": "character varying"},
    },
    CATALOG: {
        "medias": {
            "id": "uuid",
            "title": "character varying",
            "description": "text",
            "release_year": "integer",
            "media_type": "character varying",
            "cover_url": "character varying",
            "create_at": "timestamp without time zone",
            "deleted_at": "timestamp without time zone",
        },
        "tb_media_genre": {"media_id": "uuid", "genre_name": "character varying"},
    },
    ENGAGEMENT: {
        "interaction": {
            "id": "bigint",
            "user_id": "uuid",
            "media_id": "uuid",
            "type": "character varying",
            "interaction_value": "double precision",
            "timestamp": "timestamp without time zone",
        },
    },
}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table, and the statements that use it."""

    table: str
    name: str
    type: str
    needed_by: tuple[str, ...]
    consequence: str
    """What happens without it, for a column that no request and no refresh needs."""


@dataclass(frozen=True, slots=True)
class Index:
    """An index that statements rely on; columns in the form of `fetch_indexes`."""

    name: str
    table: str
    keys: tuple[str, ...]
    included: tuple[str, ...] = ()

    @property
    def including(self) -> str:
        """The INCLUDE clause of CREATE INDEX."""
        return f" INCLUDE ({', '.join(self.included)})" if self.included else ""

    @property
    def definition(self) -> str:
        """The statement that creates it on a live database."""
        keys = ", ".join(self.keys)
        return f"CREATE INDEX CONCURRENTLY {self.name} ON {self.table} ({keys}){self.including};"


INDEXES: Mapping[DatabaseName, tuple[Index, ...]] = {
    USER: (Index("tb_user_genre_user_id_idx", "tb_user_genre", ("user_id",), ("genre_name",)),),
    CATALOG: (Index("tb_media_genre_media_id_idx", "tb_media_genre", ("media_id",), ("genre_name",)),),
    ENGAGEMENT: (
        Index(
            "interaction_user_recent_idx",
            "interaction",
            ("user_id", "timestamp DESC", "media_id", "type", "interaction_value"),
        ),
        Index(
            "interaction_media_latest_idx", "interaction", ("media_id", "timestamp DESC", "user_id", "type")
        ),
    ),
}


def needed_columns(database: DatabaseName, queries: Iterable[Query]) -> list[Column]:
    """Return the columns that the statements use, with their tables."""
    words = {query.name: set(re.findall(r"\w+", query.statement.decode())) for query in queries}
    columns = []
    for table, types in TABLES[database].items():
        for name, type_name in types.items():
            needed_by = tuple(query for query, named in words.items() if {table, name} <= named)
            consequences = [STATEMENTS[database][query].consequence for query in needed_by]
            if needed_by:
                consequence = consequences[0] if all(consequences) else ""
                columns.append(Column(table, name, type_name, needed_by, consequence))
    return columns
