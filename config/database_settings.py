"""Addresses, connections and timeouts of the databases."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self, TypeVar
from urllib.parse import quote, urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from config.setting_types import IS_INSTALLED, Count, HomePath, SettingsError, SettingsGroup

_BAD_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_PORT = re.compile(r"[0-9]{1,5}")
# Commands may wait this many times as long for a connection as requests: no caller is waiting.
_COMMAND_WAIT_FACTOR = 10

Name = TypeVar("Name", bound=str)


class DatabaseSettings(SettingsGroup):
    """How the service connects to its databases.

    `prepared_statements`: turn off behind a pooler that shares sessions among clients and does not track
    prepared statements. `session_settings_by`: `startup` sends session settings with the request to connect;
    `set` by a statement afterwards, for poolers that reject the former; `role` sends none, as the role or
    database has them: for poolers that share sessions among clients. `statement_timeout_ms`: 0, which only
    `for_command` sets, means none. `catalog_timeout_ms`: for statements that read a whole table.
    `recommendation_db_url`: the service's own database, if any. `sql_path`: the folder with an app's own SQL
    files, if any.
    """

    db_host: str | None = None
    db_port: int = Field(default=5432, ge=1, le=65535)
    db_user: str | None = None
    db_password: SecretStr | None = None
    user_db_url: SecretStr | None = None
    catalog_db_url: SecretStr | None = None
    engagement_db_url: SecretStr | None = None
    recommendation_db_url: SecretStr | None = None
    pool_size: int = Field(default=10, ge=1, le=1000)
    pool_timeout_ms: Count = 1_000
    statement_timeout_ms: Count = 5_000
    catalog_timeout_ms: Count = 120_000
    prepared_statements: bool = True
    session_settings_by: Literal["startup", "set", "role"] = "startup"
    sql_path: HomePath | None = None

    @field_validator("db_port", mode="before")
    @classmethod
    def _is_not_of_kubernetes(cls, value: object) -> object:
        # Not read as a port: DB_HOST may be another host than that service.
        if isinstance(value, str) and value.startswith("tcp://"):
            raise ValueError(
                "Kubernetes sets this address in pods beside a service named db. Set DB_PORT to a number, "
                "or enableServiceLinks: false in the pod"
            )
        return value

    @field_validator("sql_path")
    @classmethod
    def _is_folder(cls, value: Path | None) -> Path | None:
        if value is None:
            return None
        try:
            is_folder = value.is_dir()
        except OSError as exc:
            # For example, a folder above it may not be searched.
            raise ValueError(f"{value} cannot be read: {exc.strerror}") from exc
        if not is_folder:
            raise ValueError(f"there is no folder {value}")
        return value

    @field_validator("user_db_url", "catalog_db_url", "engagement_db_url", "recommendation_db_url")
    @classmethod
    def _is_url(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        text = value.get_secret_value()
        if not _is_unambiguous(text):
            raise ValueError(
                "not of the form postgresql://user:password@host:port/database "
                "(with characters such as @, / and % in the password percent-encoded)"
            )
        try:
            urlsplit(text)
        except ValueError:
            # Its message may quote the URL, including the password.
            raise ValueError("not a valid URL") from None
        return value

    @model_validator(mode="after")
    def _databases_are_all_or_none(self) -> Self:
        urls = (self.user_db_url, self.catalog_db_url, self.engagement_db_url)
        if any(urls) and not all(urls) and not self.db_host:
            missing = [
                name
                for name in ("user_db_url", "catalog_db_url", "engagement_db_url")
                if getattr(self, name) is None
            ]
            raise ValueError(
                f"{', '.join(missing).upper()} not set: set all three URLs, or DB_HOST for the others"
            )
        if (self.db_user or self.db_password) and not self.db_host and not all(urls):
            raise ValueError("DB_HOST not set: DB_USER and DB_PASSWORD are used only with it")
        return self

    @property
    def are_configured(self) -> bool:
        """Whether any database is configured."""
        return bool(self.db_host or self.user_db_url)

    @property
    def recommendation_url(self) -> str | None:
        """The URL of recommendation_db; None if it is not set."""
        url = self.recommendation_db_url
        return None if url is None else url.get_secret_value()

    def url(self, database: str) -> str:
        """Return the URL of user_db, catalog_db or engagement_db: as set, or built from DB_HOST and the like.

        Raises:
            SettingsError: no database is configured.
        """
        own: SecretStr | None = getattr(self, f"{database}_url")
        if own is not None:
            return own.get_secret_value()
        if self.db_host is None:
            raise SettingsError(
                "no databases are configured: set DB_HOST, DB_USER and DB_PASSWORD, or USER_DB_URL, "
                "CATALOG_DB_URL and ENGAGEMENT_DB_URL (to try the service without databases, use `"
                f"{'marquee serve' if IS_INSTALLED else 'make run'}`)"
            )
        login = quote(self.db_user or "", safe="")
        if self.db_password is not None:
            login += f":{quote(self.db_password.get_secret_value(), safe='')}"
        address = f"{quote(self.db_host, safe='')}:{self.db_port}"
        return f"postgresql://{login}{'@' if login else ''}{address}/{database}"

    def with_urls(self, urls: Mapping[Name, str]) -> Self:
        """Return the settings with other database URLs, by the names that `url` takes."""
        return self.model_copy(update={f"{name}_url": SecretStr(url) for name, url in urls.items()})

    def for_whole_reads(self, connections: int) -> Self:
        """Return the settings of a pool of `connections` for statements that read a whole table."""
        return self.model_copy(
            update={"pool_size": connections, "statement_timeout_ms": self.catalog_timeout_ms}
        )

    def for_command(self) -> Self:
        """Return the settings of a pool of one connection, without a statement timeout."""
        return self.model_copy(
            update={
                "pool_size": 1,
                "pool_timeout_ms": _COMMAND_WAIT_FACTOR * self.pool_timeout_ms,
                "statement_timeout_ms": 0,
            }
        )


def _is_unambiguous(url: str) -> bool:
    """Return whether a URL has PostgreSQL's form, and no `@` or `/` that can only be part of a password.

    libpq ends the login at the first `@`, and the whole address at the first `/` if that comes before. It
    would take the rest of the password for a host, which errors and logs name.
    """
    scheme, _, rest = url.partition("://")
    if scheme not in {"postgresql", "postgres"} or _BAD_PERCENT.search(rest):
        return False
    has_login = "@" in rest.partition("/")[0]
    address = (rest.partition("@")[2] if has_login else rest).partition("?")[0]
    hosts = address.partition("/")[0].split(",")
    # The port of an IPv6 address follows its bracket.
    ports = [host.rpartition("]")[2].partition(":")[2] for host in hosts]
    return "@" not in address and all(_PORT.fullmatch(port) for port in ports if port)


def url_variables(urls: Mapping[Name, str]) -> dict[str, str]:
    """Return the environment variables that set the URLs of databases, which are given by name."""
    return {f"{name.upper()}_URL": url for name, url in urls.items()}
