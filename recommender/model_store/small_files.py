"""Read JSON files beside models, which the API returns: any process may have written or damaged them."""

import contextlib
from pathlib import Path

import orjson
from pydantic_core import from_json

from recommender.errors import ArtifactError
from recommender.models.files import refuse_unless_file

# Several hundred times the usual size.
_MAX_BYTES = 1 << 20


def read_small_json(path: Path) -> bytes:
    """Return the content of a file, cut off after the maximum size.

    The caller checks whether it is JSON of the right form.

    Raises:
        ArtifactError: it is not a regular file, or has a number of over 64 bits. The message names
            it, without its folder.
        OSError: it cannot be read.
    """
    refuse_unless_file(path)
    with path.open("rb") as file:
        text = file.read(_MAX_BYTES)
    with contextlib.suppress(ValueError):
        try:
            orjson.dumps(from_json(text))
        except TypeError:
            raise ArtifactError(f"{path.name} has a number of more than 64 bits") from None
    return text
