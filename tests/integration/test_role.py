"""The service cannot write, and needs only the documented grants."""

import re
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from config.setting_types import ROOT
from recommender.databases.connections import Connector
from recommender.databases.database import Database
from recommender.demo.embedded import PostgresServer, server_url
from recommender.entities import DatabaseName
from recommender.errors import DatabaseUnavailableError
from tests.support.clients import PATIENT, get, post_batch, running_client, settings_for
from tests.support.postgres import Templates, Urls
from tests.support.reference import Reference

_INSERTS = {
    DatabaseName.USER: "INSERT INTO tb_user_genre VALUES (gen_random_uuid(), 'WRITTEN')",
    DatabaseName.CATALOG: "INSERT INTO tb_media_genre VALUES (gen_random_uuid(), 'WRITTEN')",
    DatabaseName.ENGAGEMENT: "INSERT INTO interaction (id, user_id, media_id) "
    "VALUES (-1, gen_random_uuid(), gen_random_uuid())",
}
_QUERIES = {
    DatabaseName.USER: "fetch_genre_preferences",
    DatabaseName.CATALOG: "fetch_media",
    DatabaseName.ENGAGEMENT: "fetch_histories",
}


def documented_role() -> tuple[str, dict[DatabaseName, list[str]]]:
    """Return CREATE ROLE and the grants for each database, as in the guide."""
    text = (ROOT / "docs" / "how-to" / "connect-your-databases.md").read_text()
    section = text.partition("## Create a read-only role\n")[2].partition("\n## ")[0]
    code = "\n".join(line.strip() for line in section.splitlines() if line.startswith("    "))
    create, *parts = re.split(r"^-- in (\w+)$", code, flags=re.MULTILINE)
    grants = {
        DatabaseName(name): [statement.strip() for statement in statements.split(";") if statement.strip()]
        for name, statements in zip(parts[::2], parts[1::2], strict=True)
    }
    return create.strip().removesuffix(";"), grants


@pytest.fixture
def role(server: PostgresServer) -> Iterator[str]:
    """Create the documented role under another name, and drop it after its databases."""
    create, _ = documented_role()
    name = f"marquee_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(server_url(server, "postgres"), autocommit=True) as connection:
        connection.execute(create.replace("marquee", name).replace("…", "hunter2").encode())
        yield name
        connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


@pytest.fixture
def as_role(role: str, templates: Templates) -> Iterator[tuple[Urls, Urls]]:
    """Create databases with the documented grants. Return URLs for the role, and for the superuser."""
    _, grants = documented_role()
    with templates.clone() as urls:
        for name, statements in grants.items():
            with psycopg.connect(urls[name], autocommit=True) as connection:
                for statement in statements:
                    connection.execute(re.sub(r"\bmarquee\b", role, statement).encode())
        yield {name: url.replace("postgres@", f"{role}:hunter2@") for name, url in urls.items()}, urls


def test_the_documents_name_a_role_and_grants_for_all_three_databases() -> None:
    create, grants = documented_role()
    assert create == "CREATE ROLE marquee LOGIN PASSWORD '…'"
    assert set(grants) == set(DatabaseName)
    for statement in (statement for statements in grants.values() for statement in statements):
        assert re.fullmatch(r"GRANT SELECT ON [\w, ]+ TO marquee", statement)


def test_the_service_runs_with_the_documented_grants_and_no_more(as_role: tuple[Urls, Urls]) -> None:
    urls, all_powerful = as_role
    reference = Reference(all_powerful)
    user = next(
        user for user in reference.users if reference.genres_of_user.get(user) and reference.seen[user]
    )
    with running_client(urls, **PATIENT) as client:
        answer = get(client, user)
        batch = post_batch(client, [user])["results"][user]
    assert (answer["strategy"], answer["degraded"], answer["count"]) == ("hybrid", [], 10)
    assert (batch["strategy"], batch["degraded"], batch["count"]) == ("hybrid", [], 10)
    assert batch["recommendations"] == answer["recommendations"]


@pytest.mark.parametrize("name", list(DatabaseName))
def test_the_role_may_not_write_even_where_the_session_may(
    name: DatabaseName, as_role: tuple[Urls, Urls]
) -> None:
    urls, _ = as_role
    with (
        psycopg.connect(urls[name], options="-c default_transaction_read_only=off") as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(_INSERTS[name].encode())


@pytest.mark.parametrize("name", list(DatabaseName))
def test_an_insert_through_a_pool_of_the_service_is_refused_even_to_a_superuser(
    name: DatabaseName, databases: Urls, tmp_path: Path
) -> None:
    query = _QUERIES[name]
    (tmp_path / name).mkdir()
    (tmp_path / name / f"{query}.sql").write_text(f"-- name: {query}()\n{_INSERTS[name]};\n")
    database = Database(name, settings_for(databases, POOL_SIZE="1", SQL_PATH=str(tmp_path)).databases)
    database.open()
    try:
        with pytest.raises(DatabaseUnavailableError) as caught:
            database.fetch(query)
    finally:
        database.close()
    assert isinstance(caught.value.__cause__, psycopg.errors.ReadOnlySqlTransaction)


@pytest.mark.parametrize("settings_by", ["startup", "set"])
def test_reads_of_a_serializable_database_hold_no_predicate_locks(databases: Urls, settings_by: str) -> None:
    """The app's own writes would otherwise be aborted because of a conflict with the service's reads."""
    name = DatabaseName.ENGAGEMENT
    with psycopg.connect(databases[name], autocommit=True) as connection:
        connection.execute(
            sql.SQL("ALTER DATABASE {} SET default_transaction_isolation TO serializable").format(
                sql.Identifier(connection.info.dbname)
            )
        )
    connector = Connector(name, settings_for(databases, SESSION_SETTINGS_BY=settings_by).databases)
    # Without another transaction that may write, PostgreSQL needs no locks for a read-only one.
    with psycopg.connect(databases[name]) as app, connector.connect() as connection, connection.transaction():
        app.execute("SELECT count(*) FROM interaction WHERE id = 1")
        connection.execute("SELECT count(*) FROM interaction")
        locks = app.execute(
            "SELECT count(*) FROM pg_locks WHERE mode = 'SIReadLock' AND pid = %s",
            (connection.info.backend_pid,),
        ).fetchone()
        assert locks == (0,)
        assert connector.differences(connection) == []
