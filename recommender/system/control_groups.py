"""Find the control groups of this process: they limit what a container may use of the machine."""

from collections.abc import Iterator
from pathlib import Path

ROOT = Path("/")
_MEMBERSHIP, _MOUNTED = "proc/self/cgroup", "sys/fs/cgroup"


def groups(controller: str, root: Path = ROOT) -> Iterator[Path]:
    """Yield the folders of this process's control groups and of those around them, whose limits hold, too.

    In a container, the folder may be missing, as the container's own group is mounted in its place.

    Args:
        controller: the folder of the controller in version 1 of control groups, by systems that mount it.
        root: of the file system.
    """
    try:
        lines = (root / _MEMBERSHIP).read_text().splitlines()
    except (OSError, ValueError):
        return
    for line in lines:
        # As in "0::/system.slice/x.service" (version 2) or "4:cpu,cpuacct:/x" (version 1).
        _, _, group = line.partition(":")
        controllers, _, path = group.partition(":")
        if not path or (controllers and controller not in controllers.split(",")):
            continue
        mounted = root / _MOUNTED / (controller if controllers else "")
        for within in (Path(path), *Path(path).parents):
            yield mounted / str(within).lstrip("/")
