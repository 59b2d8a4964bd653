"""The file of experiments, and the keys that sign tokens of interleaved lists."""

from pydantic import Field, field_validator

from config.setting_types import ROOT, HomePath, SettingsGroup, TextList

_LEAST_KEY_CHARACTERS = 32
# Beside the code, also of an installed package.
DEFAULT_EXPERIMENTS = ROOT / "config" / "experiments.toml"


class ExperimentSettings(SettingsGroup):
    """The file of experiments, None for no experiments, and the keys of tokens.

    `experiment_key`: the first key signs; tokens signed by any of the keys are accepted.
    """

    experiments_path: HomePath | None = DEFAULT_EXPERIMENTS
    experiment_key: TextList = Field(default=(), repr=False)

    @field_validator("experiments_path", mode="before")
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        return None if value == "" else value

    @field_validator("experiment_key")
    @classmethod
    def _are_long(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if any(len(key) < _LEAST_KEY_CHARACTERS for key in value):
            raise ValueError(f"each key must have at least {_LEAST_KEY_CHARACTERS} characters")
        return value

    @property
    def is_path_given(self) -> bool:
        """Whether the path is set explicitly, so that the file must exist."""
        return "experiments_path" in self.model_fields_set
