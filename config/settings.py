"""The settings: the only reader of the environment and `.env`, once, into a frozen object."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import quote, urlsplit

from dotenv import dotenv_values
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

ROOT = Path(__file__).resolve().parents[1]

# Ids are compared as text, so a pattern must admit one spelling of each. Where it ignores case, as this
# one does, ids are put into lower case.
UUID_PATTERN = r"(?i)[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"

_BAD_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


class SettingsError(Exception):
    """The environment does not make a valid configuration; the message names the variables."""


def _split_commas(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


Count = Annotated[int, Field(ge=1, le=2_000_000_000)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Origins = Annotated[tuple[str, ...], BeforeValidator(_split_commas)]


class Settings(BaseModel):
    """Each field is the environment variable of its name in capitals. Units are in the names."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    db_host: str | None = None
    db_port: int = Field(default=5432, ge=1, le=65535)
    db_user: str | None = None
    db_password: SecretStr | None = None
    user_db_url: SecretStr | None = None
    catalog_db_url: SecretStr | None = None
    engagement_db_url: SecretStr | None = None
    pool_size: int = Field(default=10, ge=1, le=1000)
    pool_timeout_ms: Count = 1_000
    statement_timeout_ms: Count = 5_000
    prepared_statements: bool = True
    sql_path: Path | None = None

    host: str = "127.0.0.1"
    port: int = Field(default=5000, ge=1, le=65535)
    workers: int = Field(default=2, ge=1, le=256)
    threads: int = Field(default=4, ge=1, le=256)
    debug: bool = False
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = "INFO"
    log_format: Literal["auto", "plain", "json"] = "auto"
    cors_origins: Origins = ()

    content_weight: Share = 0.4
    collaborative_weight: Share = 0.6
    interaction_window_days: int = Field(default=90, ge=0, le=36_500)
    similar_users: Count = 50
    exact_up_to_pairs: int = Field(default=200_000, ge=0)
    history_items: Count = 30
    users_per_item: Count = 100
    shortlist: Count = 60
    items_per_user: Count = 200

    max_limit: int = Field(default=100, ge=1, le=1000)
    max_batch_users: int = Field(default=500, ge=1, le=10_000)
    max_stream_users: int = Field(default=100_000, ge=1, le=1_000_000)
    id_pattern: str = UUID_PATTERN
    catalogue_refresh_seconds: Count = 300
    catalogue_timeout_ms: Count = 120_000
    media_cache_size: Count = 10_000
    model_path: Path = ROOT / ".models"
    demo_path: Path = ROOT / ".demo"

    @field_validator("log_level", mode="before")
    @classmethod
    def _capitals(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @field_validator("log_format", mode="before")
    @classmethod
    def _small_letters(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator("id_pattern")
    @classmethod
    def _compiles(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as exc:
            raise ValueError(f"not a regular expression: {exc}") from exc
        return value

    @field_validator("model_path", "demo_path")
    @classmethod
    def _from_here(cls, value: Path) -> Path:
        """Relative to the project, wherever the process was started."""
        return ROOT / value

    @field_validator("sql_path")
    @classmethod
    def _is_folder(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_dir():
            raise ValueError(f"there is no folder {value}")
        return value

    @field_validator("user_db_url", "catalog_db_url", "engagement_db_url")
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
    def databases_configured(self) -> bool:
        """Whether the environment names databases at all."""
        return bool(self.db_host or self.user_db_url)

    def database_url(self, database: str) -> str:
        """The URL of user_db, catalog_db or engagement_db: its own, or made of DB_HOST and the rest.

        Raises:
            SettingsError: no database is configured.
        """
        own: SecretStr | None = getattr(self, f"{database}_url")
        if own is not None:
            return own.get_secret_value()
        if self.db_host is None:
            raise SettingsError(
                "no databases are configured: set DB_HOST, DB_USER and DB_PASSWORD, or USER_DB_URL, "
                "CATALOG_DB_URL and ENGAGEMENT_DB_URL (to try the service without, use `make run`)"
            )
        login = quote(self.db_user or "", safe="")
        if self.db_password is not None:
            login += f":{quote(self.db_password.get_secret_value(), safe='')}"
        address = f"{quote(self.db_host, safe='')}:{self.db_port}"
        return f"postgresql://{login}{'@' if login else ''}{address}/{database}"


def load_settings(
    environment: Mapping[str, str] | None = None, dotenv_path: Path | None = ROOT / ".env"
) -> Settings:
    """Read `.env`, then the environment over it; empty variables count as not set.

    Raises:
        SettingsError: one line for each variable that is wrong.
    """
    given: dict[str, str | None] = (
        {} if dotenv_path is None else dict(dotenv_values(dotenv_path, interpolate=False))
    )
    given.update(os.environ if environment is None else environment)
    values = {name: given[name.upper()] for name in Settings.model_fields if given.get(name.upper())}
    try:
        return Settings.model_validate(values)
    except ValidationError as exc:
        raise SettingsError("\n".join(_describe(error) for error in exc.errors())) from None


def _describe(error: Mapping[str, object]) -> str:
    location = error["loc"]
    message = str(error["msg"]).removeprefix("Value error, ")
    name = str(location[0]).upper() if isinstance(location, tuple) and location else ""
    return f"{name}: {message}" if name else message
