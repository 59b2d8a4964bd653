"""The settings: the only reader of the environment and `.env`, once, into a frozen object."""

import os
import re
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import quote, urlsplit

import limits
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

from recommender.api_keys import ApiKey, parse_entry
from recommender.domain import MAX_WINDOW_DAYS, InteractionTypes
from recommender.ids import UUID_PATTERN, IdForm

ROOT = Path(__file__).resolve().parents[1]

_ORIGIN = re.compile(r"\*|https?://[^\s/?#*]+")
_BAD_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


_RANKING = (
    "content_weight",
    "collaborative_weight",
    "interaction_window_days",
    "similar_users",
    "exact_up_to_pairs",
    "history_items",
    "users_per_item",
    "shortlist",
    "items_per_user",
    "like_types",
    "watch_types",
    "dislike_types",
    "excluding_types",
)


class SettingsError(Exception):
    """The environment does not make a valid configuration; the message names the variables."""


def _split_commas(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _parse_keys(value: object) -> object:
    entries = _split_commas(value)
    return tuple(map(parse_entry, entries)) if isinstance(entries, tuple) else value


Count = Annotated[int, Field(ge=1, le=2_000_000_000)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Origins = Annotated[tuple[str, ...], BeforeValidator(_split_commas)]
Types = Annotated[tuple[str, ...], BeforeValidator(_split_commas)]
ApiKeys = Annotated[tuple[ApiKey, ...], BeforeValidator(_parse_keys)]


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
    session_settings_by: Literal["startup", "set", "role"] = "startup"
    time_budget_ms: Count = 1_000
    sql_path: Path | None = None
    attributes_path: Path = ROOT / "config" / "attributes.toml"

    host: str = "127.0.0.1"
    port: int = Field(default=5000, ge=1, le=65535)
    workers: int = Field(default=2, ge=1, le=256)
    threads: int = Field(default=4, ge=1, le=256)
    max_waiting: int = Field(default=16, ge=0, le=1000)
    max_streams: int = Field(default=8, ge=1, le=1000)
    max_stream_seconds: Count = 1_800
    max_requests: int = Field(default=100_000, ge=0)
    # Common load balancers keep idle connections for 60 s, and use one again that is closed here meanwhile.
    keep_alive_seconds: int = Field(default=75, ge=1, le=3_600)
    debug: bool = False
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = "INFO"
    log_format: Literal["auto", "plain", "json"] = "auto"

    api_keys: ApiKeys = ()
    allow_anonymous: bool = False
    rate_limit: str | None = None
    # Its URL may hold a password.
    rate_limit_storage: str = Field(default="memory://", repr=False)
    cors_origins: Origins = ()
    explorer: bool = True
    trusted_proxies: int = Field(default=0, ge=0, le=10)

    content_weight: Share = 0.4
    collaborative_weight: Share = 0.6
    interaction_window_days: int = Field(default=90, ge=0, le=MAX_WINDOW_DAYS)
    similar_users: Count = 50
    exact_up_to_pairs: int = Field(default=200_000, ge=0)
    history_items: Count = 30
    users_per_item: Count = 100
    shortlist: Count = 60
    items_per_user: Count = 200
    like_types: Types = ("LIKE",)
    watch_types: Types = ("WATCH",)
    dislike_types: Types = ("DISLIKE",)
    excluding_types: Types = ()

    max_limit: int = Field(default=100, ge=1, le=1000)
    max_batch_users: int = Field(default=500, ge=1, le=10_000)
    max_batch_recommendations: Count = 50_000
    max_stream_users: int = Field(default=100_000, ge=1, le=1_000_000)
    # Ids are compared as text, so a pattern must admit one spelling of each. Where it ignores case, as the
    # one of UUIDs does, ids are put into lower case.
    id_pattern: str = UUID_PATTERN
    media_id_pattern: str = UUID_PATTERN
    catalogue_refresh_seconds: Count = 300
    catalogue_timeout_ms: Count = 120_000
    catalogue_max_loss: Share = 0.2
    catalogue_loss_seconds: Count = 60
    media_cache_size: Count = 10_000
    media_cache_mb: int = Field(default=64, ge=1, le=1_000_000)
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

    @field_validator("id_pattern", "media_id_pattern")
    @classmethod
    def _compiles(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as exc:
            raise ValueError(f"not a regular expression: {exc}") from exc
        return value

    @field_validator("api_keys")
    @classmethod
    def _differ(cls, value: tuple[ApiKey, ...]) -> tuple[ApiKey, ...]:
        if len({key.digest for key in value}) < len(value):
            raise ValueError("the same key is in it twice")
        return value

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for origin in value:
            if not _ORIGIN.fullmatch(origin):
                raise ValueError(f"{origin} is not of the form https://host or https://host:port")
        return value

    @field_validator("rate_limit")
    @classmethod
    def _is_rate(cls, value: str | None) -> str | None:
        try:
            positive = value is None or all(rate.amount > 0 for rate in limits.parse_many(value))
        except ValueError:
            positive = False
        if not positive:
            raise ValueError("not of the form 600/minute, or 20/second;600/minute for both")
        return value

    @field_validator("rate_limit_storage")
    @classmethod
    def _is_storage(cls, value: str) -> str:
        if value != "memory://" and not value.startswith(("redis://", "rediss://")):
            raise ValueError("not memory://, nor of the form redis://:password@host:port/number")
        return value

    @field_validator("attributes_path", "model_path", "demo_path")
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

    @model_validator(mode="after")
    def _types_have_one_meaning(self) -> Self:
        named = [*self.like_types, *self.watch_types, *self.dislike_types]
        repeated = sorted({name for name in named if named.count(name) > 1})
        if repeated:
            raise ValueError(
                f"LIKE_TYPES, WATCH_TYPES, DISLIKE_TYPES: {', '.join(repeated)} is named more than once"
            )
        if not (self.like_types or self.watch_types):
            raise ValueError("LIKE_TYPES, WATCH_TYPES: both are empty, so no interaction would count")
        return self

    def refuse_to_serve_strangers(self) -> None:
        """Hold what may be reached from elsewhere to keys.

        Raises:
            SettingsError: HOST is no loopback address, there are no keys, and nobody said that this is meant.
        """
        if not (self.api_keys or self.allow_anonymous or _is_loopback(self.host)):
            raise SettingsError(
                f"HOST: {self.host} can be reached from elsewhere, and API_KEYS is empty. Set API_KEYS (make "
                "one with `python -m recommender make-key NAME --scope read`), or ALLOW_ANONYMOUS=true where "
                "something in front of the service keeps strangers out"
            )

    @property
    def lists_at_once(self) -> int:
        """How many batches, and how many streams, a process works on beside `threads` other requests."""
        return max(1, self.threads // 4)

    @property
    def requests_at_once(self) -> int:
        """How many requests of all kinds a process works on at a time."""
        return self.threads + 2 * self.lists_at_once

    @property
    def max_batches(self) -> int:
        """How many batches a process has open at a time."""
        return self.lists_at_once + self.max_waiting

    @property
    def max_bodies(self) -> int:
        """How many requests a process reads the bodies of at a time."""
        return self.max_batches

    @property
    def request_threads(self) -> int:
        """How many threads requests hold at most, be they worked on, waiting, received or sent."""
        pages = self.threads + self.max_waiting
        return pages + self.max_batches + self.max_streams + self.max_bodies

    @property
    def ranking(self) -> str:
        """The settings that a ranking depends on."""
        return ", ".join(f"{name.upper()}={getattr(self, name)}" for name in _RANKING)

    @property
    def interaction_types(self) -> InteractionTypes:
        """What each type of interaction means."""
        return InteractionTypes(
            likes=self.like_types,
            watches=self.watch_types,
            dislikes=self.dislike_types,
            excluding=self.excluding_types,
        )

    @property
    def user_id_form(self) -> IdForm:
        """What user ids look like."""
        return IdForm(re.compile(self.id_pattern))

    @property
    def media_id_form(self) -> IdForm:
        """What ids of media look like."""
        return IdForm(re.compile(self.media_id_pattern))

    @property
    def serves_this_host_only(self) -> bool:
        """Whether nobody but people at this machine is meant to ask."""
        behind_proxy = self.allow_anonymous or self.trusted_proxies > 0
        return not (self.api_keys or behind_proxy) and _is_loopback(self.host)

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


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _describe(error: Mapping[str, object]) -> str:
    location = error["loc"]
    message = str(error["msg"]).removeprefix("Value error, ")
    name = str(location[0]).upper() if isinstance(location, tuple) and location else ""
    return f"{name}: {message}" if name else message
