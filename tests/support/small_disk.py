"""A small file system that tests fill up."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

_PIECE = 4096


@dataclass(frozen=True)
class SmallDisk:
    """The mount point of a small file system."""

    path: Path

    def fill(self) -> None:
        """Leave no byte free."""
        with (self.path / "filling").open("ab", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(bytes(_PIECE)):
                pass

    def empty(self) -> None:
        """Free the space that `fill` took."""
        (self.path / "filling").unlink()


@contextlib.contextmanager
def mounted_small_disk(path: Path, size: str) -> Iterator[SmallDisk]:
    """Mount a small file system. Where that is not allowed, the test is skipped; in CI it fails."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False).returncode != 0:  # noqa: S603 - no shell
        message = "only root may mount a file system"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    try:
        yield SmallDisk(path)
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)  # noqa: S603, S607 - as above
