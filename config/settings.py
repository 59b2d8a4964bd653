"""Reads the environment and `.env` into frozen settings; no other module reads them."""

import difflib
import os
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal, cast, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator
from pydantic.fields import FieldInfo

from config.access_settings import AccessSettings
from config.catalog_settings import CatalogSettings
from config.database_settings import DatabaseSettings
from config.dotenv_file import read_dotenv
from config.experiment_settings import DEFAULT_EXPERIMENTS, ExperimentSettings
from config.http_settings import HttpSettings, is_loopback
from config.ranking_settings import InteractionTypes, NeighbourSearchSettings, RankingSettings
from config.renamed_settings import RENAMED, with_new_names
from config.request_settings import RequestSettings
from config.setting_types import HOME, PROGRAM, Count, HomePath, SettingsError, SettingsGroup
from config.training_settings import TrainingSettings

# Variables that `describe_ranking` names only if they differ from their default.
_ADDED_LATER = frozenset({"CONTENT", "MIN_HISTORY"})

# How alike a variable and a setting must be: DB_USERNAME is meant as DB_USER, HOSTNAME not as HOST.
_MIN_LIKENESS = 0.77

# The only variable that may be set to nothing, for no file; others then count as not set.
_MAY_BE_EMPTY = "EXPERIMENTS_PATH"


class LogSettings(SettingsGroup):
    """Level and format of the log."""

    debug: bool = False
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = "INFO"
    log_format: Literal["auto", "plain", "json"] = "auto"

    @field_validator("log_level", mode="before")
    @classmethod
    def _in_upper_case(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @field_validator("log_format", mode="before")
    @classmethod
    def _in_lower_case(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @property
    def level(self) -> str:
        """The level of the log: DEBUG overrides LOG_LEVEL."""
        return "DEBUG" if self.debug else self.log_level


class ModelSettings(SettingsGroup):
    """Which model serves, where trained models are, and how much memory training may take.

    `model`: `auto` for the current version of all models, `live`, or the name of a model.
    `training_memory_mb`: in addition to the interactions that are learned from. `kept_versions`: per model,
    beside those in use.
    """

    model: str = "auto"
    model_path: HomePath = HOME / ".models"
    training_memory_mb: Count = 4_096
    kept_versions: Count = 3

    @property
    def training_memory_bytes(self) -> int:
        """Memory for training a model, in bytes."""
        return self.training_memory_mb << 20


class DemoSettings(SettingsGroup):
    """Where the demo's PostgreSQL keeps its data."""

    demo_path: HomePath = HOME / ".demo"


class Settings(BaseModel):
    """All settings, in groups."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    databases: DatabaseSettings
    http: HttpSettings
    logging: LogSettings
    access: AccessSettings
    ranking: RankingSettings
    neighbour_search: NeighbourSearchSettings
    interaction_types: InteractionTypes
    requests: RequestSettings
    catalog: CatalogSettings
    models: ModelSettings
    training: TrainingSettings
    experiments: ExperimentSettings
    demo: DemoSettings

    @classmethod
    def groups(cls) -> dict[str, type[SettingsGroup]]:
        """Return the groups of settings by field name."""
        return {name: cast(type[SettingsGroup], field.annotation) for name, field in cls.model_fields.items()}

    @classmethod
    def variables(cls) -> dict[str, FieldInfo]:
        """Return the settings' environment variables with their fields."""
        return {
            variable: field
            for group in cls.groups().values()
            for variable, field in group.variables().items()
        }

    @property
    def serves_this_host_only(self) -> bool:
        """Whether only callers on this machine are expected."""
        return not (self.access.api_keys or self.access.allow_anonymous or self._opened_by(()))

    @property
    def trains(self) -> bool:
        """Whether models are trained by schedule: live SQL needs none."""
        return self.training.trains and self.models.model != "live"

    def require_api_keys(self, bound_hosts: Iterable[str] = ()) -> None:
        """Require API keys if other machines can reach the service.

        Args:
            bound_hosts: addresses that a server listens on, which may differ from HOST.

        Raises:
            SettingsError: HOST or another address is no loopback address, or there is a proxy, and there are
                no keys, and ALLOW_ANONYMOUS is not set.
        """
        opened_by = self._opened_by(bound_hosts)
        if opened_by and not (self.access.api_keys or self.access.allow_anonymous):
            raise SettingsError(
                f"{opened_by}, and API_KEYS is empty. Set API_KEYS "
                f"(make one with `{PROGRAM} make-key NAME --scope read`), or ALLOW_ANONYMOUS=true "
                "if a proxy in front of the service restricts access"
            )

    def _opened_by(self, bound_hosts: Iterable[str]) -> str | None:
        """Return what lets other machines reach the service, in words; None if nothing does."""
        if not self.http.is_loopback:
            return f"HOST: {self.http.host} can be reached from elsewhere"
        for host in bound_hosts:
            if not is_loopback(host):
                return f"bind: {host} can be reached from elsewhere"
        if self.access.trusted_proxies:
            return "TRUSTED_PROXIES: a proxy lets others reach the service"
        return None

    def describe_ranking(self) -> str:
        """Return the variables that a ranking depends on, with values; newer ones only if not the default.

        A batch job of an earlier version of Marquee resumes only if its description is the same.
        """
        described = [
            f"{variable}={value}"
            for group in (self.ranking, self.neighbour_search, self.interaction_types)
            for variable, (name, value) in zip(group.variables(), group, strict=True)
            if variable not in _ADDED_LATER or value != type(group).model_fields[name].default
        ]
        if self.models.model != ModelSettings.model_fields["model"].default:
            described.append(f"MODEL={self.models.model}")
        return ", ".join(described)


def load_settings(
    environment: Mapping[str, str] | None = None, dotenv_path: Path | None = HOME / ".env"
) -> Settings:
    """Read `.env`, then the environment over it; empty variables count as not set, but for EXPERIMENTS_PATH.

    Raises:
        SettingsError: `.env` cannot be read, or one line for each variable that is wrong.
    """
    return _parse(_given(environment, dotenv_path))


def load_log_settings(dotenv_path: Path | None = HOME / ".env") -> LogSettings:
    """Read the settings of the log alone, to log errors in others; the defaults if they are wrong, too."""
    try:
        given = _given(None, dotenv_path)
    except SettingsError:
        given = dict(os.environ)
    values = {variable.lower(): (given.get(variable) or "").strip() for variable in LogSettings.variables()}
    try:
        return LogSettings.model_validate({name: value for name, value in values.items() if value})
    except ValidationError:
        return LogSettings()


def _parse(unchecked: Mapping[str, str | None]) -> Settings:
    given = _without_line_ends(unchecked)
    values = {
        name: {
            variable.lower(): given[variable]
            for variable in group.variables()
            if given.get(variable) or (variable == _MAY_BE_EMPTY and given.get(variable) is not None)
        }
        for name, group in Settings.groups().items()
    }
    try:
        return Settings.model_validate(values)
    except ValidationError as exc:
        raise SettingsError("\n".join(_describe(error) for error in exc.errors())) from None


def _without_line_ends(given: Mapping[str, str | None]) -> dict[str, str | None]:
    """Return the settings' variables without line ends at the end, as files of secrets have them.

    Raises:
        SettingsError: one line for each variable that has other control characters.
    """
    cleaned, refused = dict(given), []
    for variable, field in Settings.variables().items():
        value = (given.get(variable) or "").rstrip("\r\n")
        # A list may have its parts on lines of their own.
        allowed = "\t\r\n" if field.annotation is not None and get_origin(field.annotation) is tuple else "\t"
        if any(unicodedata.category(each) == "Cc" and each not in allowed for each in value):
            refused.append(f"{variable}: has a control character, such as a line end in the middle")
        if given.get(variable) is not None:
            cleaned[variable] = value
    if refused:
        raise SettingsError("\n".join(refused))
    return cleaned


def given_variables(dotenv_path: Path | None = HOME / ".env") -> dict[str, str]:
    """Return the current value of every setting's variable, empty if it is not set.

    In a process with this environment, `load_settings` returns the settings of this moment.

    Raises:
        SettingsError: `.env` cannot be read, or has a setting under two names with different values.
    """
    given = _given(None, dotenv_path)
    values = {variable: given.get(variable) or "" for variable in Settings.variables()}
    if given.get(_MAY_BE_EMPTY) is None and DEFAULT_EXPERIMENTS.exists():
        values[_MAY_BE_EMPTY] = str(DEFAULT_EXPERIMENTS)
    # Otherwise a child process would find the old name in `.env` beside the new one.
    return values | dict.fromkeys(RENAMED, "")


def misspelled_variables(
    environment: Mapping[str, str] | None = None, dotenv_path: Path | None = HOME / ".env"
) -> dict[str, str]:
    """Return set variables that are no settings, but nearly named so, with the nearest setting.

    Raises:
        SettingsError: `.env` cannot be read, or has a setting under two names with different values.
    """
    given = _given(environment, dotenv_path)
    settings = Settings.variables()
    found = {}
    for variable in sorted(given.keys() - settings):
        # PGHOST is not meant as HOST.
        candidates = [setting for setting in settings if setting[0] == variable[:1]]
        nearest = difflib.get_close_matches(variable, candidates, n=1, cutoff=_MIN_LIKENESS)
        if given[variable] and nearest:
            found[variable] = nearest[0]
    return found


def _given(environment: Mapping[str, str] | None, dotenv_path: Path | None) -> dict[str, str | None]:
    given: dict[str, str | None] = {} if dotenv_path is None else read_dotenv(dotenv_path)
    given.update(os.environ if environment is None else environment)
    return with_new_names(given)


def load_overridden(
    overrides: Mapping[str, str],
    environment: Mapping[str, str] | None = None,
    dotenv_path: Path | None = HOME / ".env",
) -> Settings:
    """Read the settings as `load_settings` does, with some variables overridden.

    Raises:
        SettingsError: an override names no setting, `.env` cannot be read, or one line for each variable
            that is wrong.
    """
    renamed = with_new_names(overrides)
    unknown = sorted(set(renamed) - set(Settings.variables()))
    if unknown:
        raise SettingsError(f"{', '.join(unknown)}: there is no such setting")
    return _parse({**_given(environment, dotenv_path), **renamed})


def _describe(error: Mapping[str, object]) -> str:
    """Return one line about an error in a variable, or in the combination of a group's variables."""
    location = cast(tuple[str, ...], error["loc"])
    message = str(error["msg"]).removeprefix("Value error, ")
    return f"{location[1].upper()}: {message}" if len(location) > 1 else message
