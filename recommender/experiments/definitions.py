"""Read the definitions of experiments from a TOML file."""

import itertools
import tomllib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import StrEnum
from hashlib import blake2b
from typing import Annotated, Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from config.experiment_settings import ExperimentSettings
from recommender.entities import MAX_WINDOW_DAYS, Content, Weights
from recommender.errors import ConfigurationError
from recommender.experiments.assignment import variant_of
from recommender.texts.names import DECLARED_NAME, DECLARED_NAME_RULE

# Shares are decimal fractions: 0.7 + 0.2 + 0.1 is more than 1 in binary.
_TOLERANCE = 1e-9
_TEAMS = 2
T = TypeVar("T", bound=BaseModel)


class ExperimentKind(StrEnum):
    """How the variants of an experiment are compared.

    `AB`: each user gets the list of one variant. `INTERLEAVING`: each user gets the lists of two in one.
    """

    AB = "ab"
    INTERLEAVING = "interleaving"


@dataclass(frozen=True, slots=True)
class Changes:
    """The settings of a ranking that a variant changes; None if unchanged."""

    model: str | None = None
    weights: Weights | None = None
    content: Content | None = None
    window_days: int | None = None
    diversity: float | None = None

    @property
    def names(self) -> frozenset[str]:
        """Return the names of the changed settings."""
        return frozenset(each.name for each in fields(self) if getattr(self, each.name) is not None)

    def also(self, other: Self) -> Self:
        """Return the changes of both; those of `other` take precedence."""
        both = {name: getattr(self, name) for name in self.names}
        return type(self)(**both | {name: getattr(other, name) for name in other.names})


NO_CHANGES = Changes()


@dataclass(frozen=True, slots=True)
class Variant:
    """A variant of an experiment. `share`: of all users; 0 for interleaving, where the experiment has one."""

    name: str
    changes: Changes
    share: float = 0.0


@dataclass(frozen=True, slots=True)
class Experiment:
    """An experiment. `share`: of all users, if each user is in both variants."""

    name: str
    kind: ExperimentKind
    variants: tuple[Variant, ...]
    share: float = 1.0
    changed: frozenset[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        changed = frozenset().union(*(variant.changes.names for variant in self.variants))
        object.__setattr__(self, "changed", changed)

    @property
    def is_interleaving(self) -> bool:
        """Return whether the lists of two variants are interleaved."""
        return self.kind is ExperimentKind.INTERLEAVING

    def variant_for(self, user_id: str) -> Variant | None:
        """Return the variant of a user, None if the user takes no part; for interleaving the first one."""
        shares = [self.share] if self.is_interleaving else [variant.share for variant in self.variants]
        idx = variant_of(self.name, shares, user_id)
        return None if idx is None else self.variants[idx]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


_Part = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
_PositivePart = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]


class _VariantTable(_Table):
    share: _PositivePart | None = None
    model: str | None = None
    content_weight: _Part | None = None
    collaborative_weight: _Part | None = None
    content: Content | None = None
    window_days: int | None = Field(default=None, ge=0, le=MAX_WINDOW_DAYS)
    diversity: _Part | None = None

    @model_validator(mode="after")
    def _weights_come_together(self) -> Self:
        if (self.content_weight is None) is not (self.collaborative_weight is None):
            raise ValueError("content_weight and collaborative_weight: give both, or neither")
        return self

    @property
    def changes(self) -> Changes:
        weights = None
        if self.content_weight is not None and self.collaborative_weight is not None:
            weights = Weights(self.content_weight, self.collaborative_weight)
        return Changes(self.model, weights, self.content, self.window_days, self.diversity)


class _ExperimentTable(_Table):
    kind: Annotated[ExperimentKind, Field(strict=False)] = ExperimentKind.AB
    share: _PositivePart | None = None
    variants: dict[str, dict[str, Any]]


def named_models(experiments: Iterable[Experiment]) -> tuple[str, ...]:
    """Return the distinct values of `model` in experiments."""
    changes = (variant.changes for experiment in experiments for variant in experiment.variants)
    return tuple(dict.fromkeys(each.model for each in changes if each.model is not None))


def load_experiments(settings: ExperimentSettings, models: Collection[str]) -> tuple[Experiment, ...]:
    """Return the experiments of the file, in its order; none without a file, or if it does not exist.

    Args:
        settings: where the file is, and the keys.
        models: the names that `model` may have.

    Raises:
        ConfigurationError: the file cannot be read, was configured but does not exist, or has an invalid
            experiment; or EXPERIMENT_KEY is missing for interleaving. The message names the file, the
            experiment, the key, and what is allowed.
    """
    path = settings.experiments_path
    if path is None:
        return ()
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        if settings.is_path_given:
            raise ConfigurationError(f"EXPERIMENTS_PATH: there is no file {path}") from None
        return ()
    except (OSError, ValueError) as exc:
        raise ConfigurationError(f"{path}: cannot be read as TOML: {exc}") from exc
    try:
        experiments = parse_experiments(text, models)
    except ConfigurationError as exc:
        raise ConfigurationError(f"{path}: {exc}") from exc
    interleaving = [each.name for each in experiments if each.is_interleaving]
    if interleaving and not settings.experiment_key:
        raise ConfigurationError(f"EXPERIMENT_KEY: {interleaving[0]} is of kind interleaving and needs a key")
    return experiments


def parse_experiments(text: str, models: Collection[str]) -> tuple[Experiment, ...]:
    """Return the experiments that TOML defines, in its order.

    Raises:
        ConfigurationError: the text is not TOML, or an experiment is invalid; the message names it.
    """
    try:
        tables = tomllib.loads(text)
    except ValueError as exc:
        raise ConfigurationError(f"cannot be read as TOML: {exc}") from exc
    experiments = tuple(_experiment(name, table, models) for name, table in tables.items())
    for first, second in itertools.combinations(experiments, 2):
        common = sorted(first.changed & second.changed)
        if common:
            raise ConfigurationError(
                f"{second.name}: changes {', '.join(common)}, as {first.name} does; experiments that run "
                "at the same time must change different things"
            )
        if first.is_interleaving and second.is_interleaving:
            raise ConfigurationError(
                f"{second.name}: is of kind interleaving, as {first.name} is; one at a time is allowed"
            )
    return experiments


def _experiment(name: str, table: Any, models: Collection[str]) -> Experiment:
    if not DECLARED_NAME.fullmatch(name):
        raise ConfigurationError(f"{name}: {DECLARED_NAME_RULE}")
    if not isinstance(table, dict):
        raise ConfigurationError(f"{name}: must be a table such as [{name}], with variants")
    found = _validated(_ExperimentTable, name, table)
    variants = {
        each: _variant(f"{name}.variants.{each}", each, values, models)
        for each, values in found.variants.items()
    }
    if found.kind is ExperimentKind.INTERLEAVING:
        return _interleaving(name, found, variants)
    return _ab(name, found, variants)


def _variant(place: str, name: str, values: Mapping[str, Any], models: Collection[str]) -> _VariantTable:
    if not DECLARED_NAME.fullmatch(name):
        raise ConfigurationError(f"{place}: {DECLARED_NAME_RULE}")
    variant = _validated(_VariantTable, place, values)
    if variant.model is not None and variant.model not in models:
        raise ConfigurationError(f"{place}: model must be one of {', '.join(models)}, got {variant.model!r}")
    return variant


def _ab(name: str, table: _ExperimentTable, variants: Mapping[str, _VariantTable]) -> Experiment:
    if table.share is not None:
        raise ConfigurationError(f"{name}: share belongs to each variant, unless kind is interleaving")
    if not variants:
        raise ConfigurationError(f"{name}: variants must be one or more")
    made = []
    for each, values in variants.items():
        if values.share is None:
            raise ConfigurationError(
                f"{name}.variants.{each}: share is missing; it must be above 0, and at most 1"
            )
        made.append(Variant(each, values.changes, values.share))
    total = sum(variant.share for variant in made)
    if total > 1.0 + _TOLERANCE:
        raise ConfigurationError(
            f"{name}: the shares of the variants must add up to at most 1, got {total:g}"
        )
    return Experiment(name, ExperimentKind.AB, tuple(made))


def _interleaving(name: str, table: _ExperimentTable, variants: Mapping[str, _VariantTable]) -> Experiment:
    if len(variants) != _TEAMS:
        raise ConfigurationError(
            f"{name}: variants must be two where kind is interleaving, got {len(variants)}"
        )
    for each, values in variants.items():
        place = f"{name}.variants.{each}"
        if values.share is not None:
            raise ConfigurationError(f"{place}: share belongs to the experiment where kind is interleaving")
        if values.window_days is not None:
            # A user's history is read once, so both lists have the same window.
            raise ConfigurationError(f"{place}: window_days is not allowed where kind is interleaving")
    made = tuple(Variant(each, values.changes) for each, values in variants.items())
    return Experiment(name, ExperimentKind.INTERLEAVING, made, 1.0 if table.share is None else table.share)


def _validated(model: type[T], place: str, values: Mapping[str, Any]) -> T:
    try:
        return model.model_validate(values)
    except ValidationError as exc:
        raise ConfigurationError(f"{place}: {_described(exc, model)}") from exc


def _described(exc: ValidationError, model: type[BaseModel]) -> str:
    """Return the message for pydantic's first error, with what is allowed."""
    error = exc.errors(include_url=False)[0]
    key = ".".join(map(str, error["loc"]))
    if error["type"] == "extra_forbidden":
        return f"there is no {key}; {', '.join(model.model_fields)} are allowed"
    if error["type"] == "missing":
        return f"{key} is missing; it must be tables such as [name.{key}.control]"
    words = str(error["msg"]).removeprefix("Value error, ")
    return f"{key}: {words}, got {error['input']!r}" if key else words


def find_experiment(experiments: Sequence[Experiment], name: str) -> Experiment | None:
    """Return the experiment with a name, if there is one."""
    return next((each for each in experiments if each.name == name), None)


def experiments_fingerprint(experiments: Sequence[Experiment]) -> str:
    """Return a text that changes with the experiments; empty without any."""
    if not experiments:
        return ""
    return f"experiments {blake2b(repr(experiments).encode(), digest_size=8).hexdigest()}"
