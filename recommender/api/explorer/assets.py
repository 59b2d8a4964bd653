"""The page's own files: read once, served from memory under addresses that change with them."""

import hashlib
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from flask import Response
from werkzeug.exceptions import NotFound

_SERVED = frozenset({".css", ".js", ".svg", ".txt"})
_FOR_EVER = "public, max-age=31536000, immutable"
_VERSION_CHARACTERS = 12


@dataclass(frozen=True, slots=True)
class _Asset:
    content: bytes
    mimetype: str
    version: str


class Assets:
    """The files of a folder, by their names in it, and others, by their own."""

    def __init__(self, folder: Path, *others: Path) -> None:
        files = (path for path in sorted(folder.rglob("*")) if path.suffix in _SERVED)
        self._assets: Mapping[str, _Asset] = {
            **{path.relative_to(folder).as_posix(): _read(path) for path in files},
            **{path.name: _read(path) for path in others},
        }

    def version(self, name: str) -> str:
        """What tells a file from an earlier one of its name."""
        return self._assets[name].version

    def answer(self, name: str, version: str | None) -> Response:
        """A file, to be kept for ever where it is asked for by its version.

        Raises:
            NotFound: there is no such file.
        """
        asset = self._assets.get(name)
        if asset is None:
            raise NotFound
        caching = _FOR_EVER if version == asset.version else "no-cache"
        return Response(asset.content, mimetype=asset.mimetype, headers={"Cache-Control": caching})


def _read(path: Path) -> _Asset:
    content = path.read_bytes()
    return _Asset(
        content=content,
        mimetype=mimetypes.guess_type(path.name)[0] or "application/octet-stream",
        version=hashlib.sha256(content).hexdigest()[:_VERSION_CHARACTERS],
    )
