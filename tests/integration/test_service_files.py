"""A URL may name a service of libpq's service file; its options count like those of the URL."""

from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from recommender.databases.connections import Connector
from recommender.entities import DatabaseName
from recommender.errors import ConfigurationError
from tests.support.clients import settings_for
from tests.support.postgres import Urls

ENGAGEMENT = DatabaseName.ENGAGEMENT


@pytest.fixture
def service_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "services.conf"
    monkeypatch.setenv("PGSERVICEFILE", str(path))
    return path


def write_service(path: Path, url: str, **options: str) -> None:
    """Write a service that connects to a URL, with further options."""
    lines = [f"{key}={value}" for key, value in {**conninfo_to_dict(url), **options}.items()]
    path.write_text("\n".join(["[app]", *lines, ""]))


def connector(urls: Urls) -> Connector:
    return Connector(ENGAGEMENT, settings_for(urls).databases)


@pytest.mark.parametrize("is_in_url", [True, False])
def test_options_of_a_service_are_kept_beside_the_services_own(
    shared_databases: Urls, service_file: Path, monkeypatch: pytest.MonkeyPatch, *, is_in_url: bool
) -> None:
    write_service(service_file, shared_databases[ENGAGEMENT], options="-c search_path=app")
    if not is_in_url:
        monkeypatch.setenv("PGSERVICE", "app")
    url = "postgresql:///?service=app" if is_in_url else "postgresql:///"
    with connector({**shared_databases, ENGAGEMENT: url}).connect() as connection:
        assert connection.execute("SHOW search_path").fetchone() == ("app",)
        assert connection.execute("SHOW default_transaction_read_only").fetchone() == ("on",)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("target_session_attrs", "read-write"),
        ("target_session_attrs", "read-only"),
        ("options", "-c default_transaction_read_only=off"),
    ],
)
def test_a_service_that_contradicts_the_sessions_is_refused_at_start(
    shared_databases: Urls, service_file: Path, option: str, value: str
) -> None:
    write_service(service_file, shared_databases[ENGAGEMENT], **{option: value})
    urls = {**shared_databases, ENGAGEMENT: "postgresql:///?service=app"}
    with pytest.raises(ConfigurationError, match=value.partition("=")[0].removeprefix("-c ")):
        connector(urls)


def test_an_option_of_the_url_takes_precedence_over_its_service(
    shared_databases: Urls, service_file: Path
) -> None:
    write_service(service_file, shared_databases[ENGAGEMENT], target_session_attrs="read-write")
    url = "postgresql:///?service=app&target_session_attrs=primary"
    with connector({**shared_databases, ENGAGEMENT: url}).connect() as connection:
        assert connection.info.transaction_status is psycopg.pq.TransactionStatus.IDLE


@pytest.mark.parametrize("is_in_url", [True, False])
def test_a_service_that_does_not_exist_is_refused_at_start(
    shared_databases: Urls, service_file: Path, monkeypatch: pytest.MonkeyPatch, *, is_in_url: bool
) -> None:
    write_service(service_file, shared_databases[ENGAGEMENT])
    if not is_in_url:
        monkeypatch.setenv("PGSERVICE", "other")
    url = "postgresql:///?service=other" if is_in_url else shared_databases[ENGAGEMENT]
    with pytest.raises(ConfigurationError, match=r'engagement_db .* service "other" not found'):
        connector({**shared_databases, ENGAGEMENT: url})
