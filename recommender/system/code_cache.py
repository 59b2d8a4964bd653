"""Keep compiled code in files that may be damaged, or on a disk that may be full."""

import contextlib
import logging
from collections.abc import Callable
from typing import Any

from numba.core.caching import FunctionCache

logger = logging.getLogger(__name__)

_logged: set[str] = set()


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

    @property
    def cache_path(self) -> str:
        """The folder of the files, for numba's statistics."""
        return str(self._files.cache_path)

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
