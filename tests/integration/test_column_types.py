"""The catalog's columns may have other types than the schema's; rows without an id are ignored."""

import psycopg

from recommender.entities import DatabaseName
from tests.support.clients import NO_CAPS, get, ids, running_client
from tests.support.postgres import Urls
from tests.support.reference import Reference

_OTHER_TYPES = """
    CREATE TYPE kind AS ENUM ('MOVIE', 'SERIES');
    ALTER TABLE medias ALTER media_type TYPE kind USING media_type::kind;
    ALTER TABLE medias ALTER release_year TYPE numeric;
    ALTER TABLE medias ALTER title TYPE char(400);
    UPDATE medias SET release_year = 'NaN' WHERE media_type = 'SERIES';
    CREATE TYPE genre AS ENUM ('DRAMA', 'WAR');
    DELETE FROM tb_media_genre WHERE upper(genre_name) NOT IN ('DRAMA', 'WAR');
    ALTER TABLE tb_media_genre ALTER genre_name TYPE genre USING upper(genre_name)::genre;
    ALTER TABLE medias RENAME TO all_medias;
    CREATE VIEW medias AS
    SELECT * FROM all_medias UNION ALL SELECT NULL, 'Nothing', NULL, 1, 'MOVIE', NULL, NULL, NULL;
"""


def test_columns_of_other_types_are_cast_and_rows_without_an_id_left_out(databases: Urls) -> None:
    user = Reference(databases).users[0]
    with running_client(databases, **NO_CAPS) as client:
        before = get(client, user, limit=100, media_type="movie")
    with psycopg.connect(databases[DatabaseName.CATALOG]) as connection:
        connection.execute(_OTHER_TYPES)
    with running_client(databases, **NO_CAPS) as client:
        after = get(client, user, limit=100, media_type="movie")
        everything = get(client, user, limit=100)
        dramas = get(client, user, limit=100, genre="Drama")
    assert after["degraded"] == everything["degraded"] == []
    assert len(ids(after)) == len(ids(before)) > 10
    plain = {item["id"]: item for item in before["recommendations"]}
    for item in after["recommendations"]:
        same = plain[item["id"]]
        assert (item["title"], item["release_year"]) == (same["title"], same["release_year"])
    series = [item for item in everything["recommendations"] if item["media_type"] == "SERIES"]
    assert {item["release_year"] for item in series} == {None}
    assert len(dramas["recommendations"]) > 10
    assert all("DRAMA" in item["genres"] for item in dramas["recommendations"])
