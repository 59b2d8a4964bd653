"""Store models on disk: arrays, which processes map read-only, and hyperparameters as JSON."""

import json
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from tokenize import TokenError
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError

from recommender.errors import ArtifactError

Arrays = Mapping[str, NDArray[Any]]

CONFIG = "config.json"
# Several hundred times the usual size.
_MAX_CONFIG_BYTES = 1 << 20
_LONGEST_REASON = 200

Config = TypeVar("Config", bound=BaseModel)


def save_arrays(folder: Path, arrays: Arrays) -> None:
    """Write each array to a file named after it.

    Raises:
        OSError: the folder cannot be written.
    """
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array, allow_pickle=False)


def map_arrays(folder: Path, names: Iterable[str]) -> dict[str, NDArray[Any]]:
    """Map arrays into memory, read-only.

    Raises:
        ArtifactError: a file is missing, or is not an array. The message names it, without its folder.
    """
    return {name: _map(folder / f"{name}.npy") for name in names}


def check_form(name: str, array: NDArray[Any], dtype: type[np.generic], shape: tuple[int, ...]) -> None:
    """Refuse an array of another type or shape, or with values that are not finite.

    Raises:
        ArtifactError: the message names the array and what is wrong.
    """
    if array.dtype != np.dtype(dtype) or array.shape != shape:
        raise ArtifactError(f"{name}: must be {np.dtype(dtype)} of shape {shape}")
    if not np.isfinite(array).all():
        raise ArtifactError(f"{name}: must be finite")


def save_config(folder: Path, config: BaseModel) -> None:
    """Write hyperparameters.

    Raises:
        OSError: the folder cannot be written.
    """
    (folder / CONFIG).write_text(json.dumps(config.model_dump(mode="json"), indent=2))


def load_config(folder: Path, kind: type[Config], overrides: Mapping[str, object]) -> Config:
    """Read hyperparameters, replaced by `overrides`; return the defaults if there is no file.

    Raises:
        ArtifactError: the file cannot be read, or is invalid for `kind`.
    """
    path = folder / CONFIG
    try:
        saved: dict[str, object] = {}
        if path.exists():
            refuse_unless_file(path)
            with path.open("rb") as file:
                saved = kind.model_validate_json(file.read(_MAX_CONFIG_BYTES), strict=True).model_dump()
        return kind.model_validate(saved | dict(overrides))
    except ValidationError as exc:
        raise ArtifactError(f"{CONFIG} is not valid: {exc.errors()[0]['msg']}") from None
    except OSError as exc:
        raise ArtifactError(f"{CONFIG} cannot be read: {exc.strerror}") from None


def refuse_unless_file(path: Path) -> None:
    """Refuse a path that is not a regular file: opening a named pipe would wait for a writer.

    Raises:
        ArtifactError: it is not a regular file.
        OSError: its status cannot be read.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise ArtifactError(f"{path.name} is not a file")


def _map(path: Path) -> NDArray[Any]:
    try:
        refuse_unless_file(path)
        array: NDArray[Any] = np.lib.format.open_memmap(path, mode="r")
    except OSError as exc:
        raise ArtifactError(f"{path.name} cannot be read: {exc.strerror or exc}") from None
    except (ValueError, TypeError, OverflowError, TokenError) as exc:
        raise ArtifactError(f"{path.name} is not an array: {str(exc)[:_LONGEST_REASON]}") from None
    return array
