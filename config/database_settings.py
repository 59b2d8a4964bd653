"""Where the databases are, how connections to them are made, and how long they are waited for."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self, TypeVar
from urllib.parse import quote, urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from config.setting_types import IS_INSTALLED, Count, SettingsError, SettingsGroup

_BAD_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
# Commands have no caller who waits: they wait so many times as long for a connection as a request may.
_COMMAND_PATIENCE = 10

Name = TypeVar("Name", bound=str)


class DatabaseSettings(SettingsGroup):
    """How the three databases are read.

    `prepared_statements`: off behind a pooler that shares a session among clients and does not know the
    statements of each. `session_settings_by`: how a session gets its settings: `startup` sends them with the
    request to connect; `set` by a statement after connecting, for poolers that refuse the other; with `role`
    the role or database has them, for poolers that share a session among clients. `statement_timeout_ms`: 0,
    which only `for_command` sets, is none. `catalog_timeout_ms`: of statements that read a table whole.
    `recommendation_db_url`: of a database of the service's own, if there is one.
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
    sql_path: Path | None = None

    @field_validator("sql_path")
    @classmethod
    def _is_folder(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_dir():
            raise ValueError(f"there is no folder {value}")
        return value

    @field_validator("user_db_url", "catalog_db_url", "engagement_db_url", "recommendation_db_url")
    @classmethod
    def _is_url(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        text = value.get_secret_value()
        if not text.startswith(("postgresql://", "postgres://")) or _BAD_PERCENT.search(text):
            raise ValueError(
                "not of the form postgresql://user:password@host:port/database "
                "(with characters such as @ and % in the password percent-encoded)"
            )
        try:
            urlsplit(text)
        except ValueError:
            # Its message may quote the URL, password and all.
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
            raise ValueError("DB_HOST not set: DB_USER and DB_PASSWORD say nothing without it")
        return self

    @property
    def are_configured(self) -> bool:
        """Whether the environment names databases at all."""
        return bool(self.db_host or self.user_db_url)

    @property
    def recommendation_url(self) -> str | None:
        """The URL of recommendation_db; None where there is none."""
        url = self.recommendation_db_url
        return None if url is None else url.get_secret_value()

    def url(self, database: str) -> str:
        """Return the URL of user_db, catalog_db or engagement_db: its own, or made of DB_HOST and the rest.

        Raises:
            SettingsError: no database is configured.
        """
        own: SecretStr | None = getattr(self, f"{database}_url")
        if own is not None:
            return own.get_secret_value()
        if self.db_host is None:
            raise SettingsError(
                "no databases are configured: set DB_HOST, DB_USER and DB_PASSWORD, or USER_DB_URL, "
                "CATALOG_DB_URL and ENGAGEMENT_DB_URL (to try the service without, use `"
                f"{'marquee serve' if IS_INSTALLED else 'make run'}`)"
            )
        login = quote(self.db_user or "", safe="")
        if self.db_password is not None:
            login += f":{quote(self.db_password.get_secret_value(), safe='')}"
        address = f"{quote(self.db_host, safe='')}:{self.db_port}"
        return f"postgresql://{login}{'@' if login else ''}{address}/{database}"

    def with_urls(self, urls: Mapping[Name, str]) -> Self:
        """Return the settings with other databases, by the names `url` takes."""
        return self.model_copy(update={f"{name}_url": SecretStr(url) for name, url in urls.items()})

    def for_whole_reads(self, connections: int) -> Self:
        """Return the settings of a pool of so many connections for statements that read a table whole."""
        return self.model_copy(
            update={"pool_size": connections, "statement_timeout_ms": self.catalog_timeout_ms}
        )

    def for_command(self) -> Self:
        """Return the settings of a pool of one connection whose statements may take as long as they need."""
        return self.model_copy(
            update={
                "pool_size": 1,
                "pool_timeout_ms": _COMMAND_PATIENCE * self.pool_timeout_ms,
                "statement_timeout_ms": 0,
            }
        )
