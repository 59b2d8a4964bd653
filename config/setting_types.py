"""Base types and paths of the settings."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.fields import FieldInfo

# The folder of the code, with sql/ and config/.
ROOT = Path(__file__).resolve().parents[1]
# Only an installed package has such a file at its top; a clone has none.
IS_INSTALLED = (ROOT / "__init__.py").is_file()
# Where .env, models and the demo's data are, and where relative paths begin: the project folder, or, as an
# installed package is no place for them, the folder that the service is started in.
HOME = Path.cwd() if IS_INSTALLED else ROOT
# The module that child processes run in HOME: `python -m` this.
MODULE = "marquee" if IS_INSTALLED else "recommender"
# How a shell calls the commands.
PROGRAM = "marquee" if IS_INSTALLED else "python -m recommender"


def how_to_install(extra: str) -> str:
    """Return the command that installs an extra of `pyproject.toml`."""
    return f"pip install 'marquee[{extra}]'" if IS_INSTALLED else f"pip install -r requirements-{extra}.txt"


class SettingsError(Exception):
    """The configuration is invalid; the message names the variables."""


class SettingsGroup(BaseModel):
    """A group of settings, passed as a whole to the parts that use it.

    Each field is read from the environment variable of its name, or its alias, in capitals. Names end in
    units.
    """

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    @classmethod
    def variables(cls) -> dict[str, FieldInfo]:
        """Return the group's fields by environment variable."""
        return {
            str(field.validation_alias or name).upper(): field for name, field in cls.model_fields.items()
        }


def split_commas(value: object) -> object:
    """Split a text at commas and drop empty parts; return other values unchanged."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


Count = Annotated[int, Field(ge=1, le=2_000_000_000)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
TextList = Annotated[tuple[str, ...], BeforeValidator(split_commas)]
# The service, its commands and the trainer may run in different folders: relative paths begin in HOME.
HomePath = Annotated[Path, AfterValidator(lambda path: HOME / path)]
