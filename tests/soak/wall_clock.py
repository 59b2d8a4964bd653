"""A wall clock that can be stepped for the service alone. PostgreSQL and this process keep the real one.

libfaketime does not work: if it leaves the monotonic clock alone, Python's time.sleep() fails with EINVAL.
"""

import shutil
import subprocess
import sys
from pathlib import Path

_SOURCE = Path(__file__).with_suffix(".c")
_BYTES = 8


class WallClock:
    """Steps the clock of the processes that are started with `variables`."""

    def __init__(self, folder: Path) -> None:
        """Build the preloaded library, which needs a C compiler and Linux."""
        self._offset = folder / "wall-clock-offset"
        self.step(0)
        self.variables: dict[str, str] = {}
        compiler = shutil.which("cc") or shutil.which("gcc")
        if compiler is not None and sys.platform == "linux":
            library = folder / "wall_clock.so"
            subprocess.run(  # noqa: S603 - a compiler from PATH, on a file of ours
                [compiler, "-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-o", library, _SOURCE], check=True
            )
            self.variables = {"LD_PRELOAD": str(library), "WALL_CLOCK_OFFSET": str(self._offset)}

    @property
    def can_step(self) -> bool:
        """Return whether the clock can be stepped."""
        return bool(self.variables)

    def step(self, seconds: int) -> None:
        """Set the clock some seconds ahead of the real one, or behind it."""
        # Write in place, because the processes have mapped the file.
        with self._offset.open("r+b" if self._offset.exists() else "w+b") as file:
            file.write(seconds.to_bytes(_BYTES, sys.byteorder, signed=True))
