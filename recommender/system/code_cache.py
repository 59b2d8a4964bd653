"""Keep compiled code in files that may be damaged, or on a disk that may be full."""

import contextlib
import logging
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

from numba.core.caching import FunctionCache, IndexDataCacheFile

from recommender import __version__

logger = logging.getLogger(__name__)

# Files of other releases are kept for so long, as these may run on other hosts.
_OUTDATED_S = 30 * 86_400
_logged: set[str] = set()


class _Files(IndexDataCacheFile):
    """An index of a function's compiled code, and a file of code for each of its signatures.

    numba names files of code by number, and first writes the index. If writing the code then fails, or two
    processes write at the same time, the index names the code of another release or of another signature.
    Here the names differ, and the index is written last.
    """

    def __init__(self, folder: str, function_name: str, source_stamp: bytes) -> None:
        self.release = sha256(__version__.encode() + source_stamp).hexdigest()[:16]
        self._base = f"{function_name}-{self.release}"
        # Before the hyphen is the function's name, behind it the line where it begins.
        self._outdated = f"{function_name.rpartition('-')[0]}-*.nb[ic]"
        super().__init__(folder, self._base, source_stamp)  # type: ignore[no-untyped-call]  # numba has no types

    def save(self, key: Any, data: Any) -> None:
        """Write the code for a key, then the index."""
        name = f"{self._base}.{sha256(repr(key).encode()).hexdigest()[:16]}.nbc"
        self._save_data(name, data)  # type: ignore[no-untyped-call]  # as above
        kept = self._load_index()  # type: ignore[no-untyped-call]  # as above
        self._save_index({**kept, key: name})  # type: ignore[no-untyped-call]  # as above
        self._remove_outdated()

    def _remove_outdated(self) -> None:
        """Remove files of the same function that other releases wrote long ago."""
        before = time.time() - _OUTDATED_S
        for path in Path(self._cache_path).glob(self._outdated):
            with contextlib.suppress(OSError):
                if not path.name.startswith(self._base) and path.stat().st_mtime < before:
                    path.unlink()


class ToleratedCache:
    """numba's files of a function's compiled code; without them, the function is compiled again.

    numba raises each error of these files: an empty file, as a power cut leaves, would end each start, and a
    full disk each command, although the code can be compiled, or is in memory already.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        """Find a folder for the files.

        Raises:
            RuntimeError: no folder can be written.
        """
        kind: Any = FunctionCache
        self._files = kind(function)
        named = self._files._impl  # noqa: SLF001 - numba gives no other access
        self._files._cache_file = _Files(  # noqa: SLF001 - as above
            self.cache_path, named.filename_base, named.locator.get_source_stamp()
        )

    @property
    def cache_path(self) -> str:
        """The folder of the files, for numba's statistics."""
        return str(self._files.cache_path)

    @property
    def release(self) -> str:
        """The part of the files' names that differs by release and source."""
        return str(self._files._cache_file.release)  # noqa: SLF001 - numba gives no other access

    def flush(self) -> None:
        """Write an empty index."""
        self._files.flush()

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the code for the types of arguments; None if there is none that can be read."""
        try:
            return self._files.load_overload(sig, target_context)
        except Exception as exc:  # noqa: BLE001 - pickle raises any for a damaged file
            _log_once("Compiled code cannot be read from %s, and is compiled again: %s", self.cache_path, exc)
            # numba reads the damaged index again before it saves anything.
            with contextlib.suppress(Exception):
                self.flush()
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Save the code for the types of arguments, if that is possible."""
        try:
            self._files.save_overload(sig, data)
        except Exception as exc:  # noqa: BLE001 - the code is in memory, whatever fails here
            _log_once(
                "Compiled code cannot be kept in %s, so that each start compiles it again: %s",
                self.cache_path,
                exc,
            )


def _log_once(line: str, folder: str, exc: Exception) -> None:
    """Log the first failure: the others have the same cause."""
    if line not in _logged:
        _logged.add(line)
        logger.warning(line, folder, f"{type(exc).__name__}: {exc}")
