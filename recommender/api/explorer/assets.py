"""Serves the page's files from memory, under addresses that contain a version."""

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
    """The files of a folder by relative path, and further files by name."""

    def __init__(self, folder: Path, *others: Path) -> None:
        files = (path for path in sorted(folder.rglob("*")) if path.suffix in _SERVED)
        self._assets: Mapping[str, _Asset] = {
            **{path.relative_to(folder).as_posix(): _read(path) for path in files},
            **{path.name: _read(path) for path in others},
        }

    def version(self, name: str) -> str:
        """Return the version of a file, made from its content."""
        return self._assets[name].version

    def answer(self, name: str, version: str | None) -> Response:
        """Return a file, cacheable without limit if requested by its version.

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
