"""The shared folder of a killed service is removed at the next start, that of a running one stays."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from config.setting_types import ROOT
from tests.support.processes import environment

pytestmark = pytest.mark.fast

SERVICE = "from config.worker_catalog import catalog_folder; print(catalog_folder(), flush=True); input()"


@contextmanager
def service(temporary: Path) -> Iterator[Path]:
    """Run a process that shares a folder, and kill it at the end."""
    with subprocess.Popen(  # noqa: S603 - ours
        [sys.executable, "-c", SERVICE],
        cwd=ROOT,
        env=environment(TMPDIR=str(temporary)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        folder = Path(process.stdout.readline().strip())
        (folder / "catalog").mkdir()
        yield folder
        process.kill()


def test_the_next_start_removes_what_a_killed_service_left(tmp_path: Path) -> None:
    with service(tmp_path) as killed:
        pass
    assert killed.exists()
    with service(tmp_path) as folder:
        assert list(tmp_path.iterdir()) == [folder]


def test_the_folder_of_a_running_service_stays(tmp_path: Path) -> None:
    with service(tmp_path) as first, service(tmp_path) as second:
        assert set(tmp_path.iterdir()) == {first, second}


def test_other_folders_of_that_name_stay(tmp_path: Path) -> None:
    other = tmp_path / "marquee-catalog-other"
    other.mkdir()
    with service(tmp_path):
        assert other.exists()
