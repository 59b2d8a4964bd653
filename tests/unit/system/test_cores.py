"""The cores that a process may use are limited by its affinity and by the quotas of control groups."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from config.setting_types import ROOT
from recommender.system.cores import limit_library_threads, usable_cores
from tests.support.processes import environment

V2, V1 = "0::/pods/this\n", "5:memory:/pods/this\n4:cpu,cpuacct:/pods/this\n0::/pods/this\n"


@pytest.fixture(autouse=True)
def node(monkeypatch: pytest.MonkeyPatch) -> None:
    """A node of 64 cores, of which the process may use 16."""
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)), raising=False)


@pytest.mark.parametrize(
    ("membership", "files", "cores"),
    [
        (None, {}, 16),
        (V2, {}, 16),
        (V2, {"pods/this/cpu.max": "max 100000\n"}, 16),
        (V2, {"pods/this/cpu.max": "400000 100000\n"}, 4),
        (V2, {"pods/this/cpu.max": "150000 100000\n"}, 2),
        (V2, {"pods/this/cpu.max": "10000 100000\n"}, 1),
        (V2, {"pods/this/cpu.max": "9900000 100000\n"}, 16),
        # The smallest quota holds, of the group or around it.
        (V2, {"pods/this/cpu.max": "800000 100000\n", "pods/cpu.max": "300000 100000\n"}, 3),
        # A container sees its group in the place of the root.
        ("0::/\n", {"cpu.max": "200000 100000\n"}, 2),
        (V1, {"cpu/pods/this/cpu.cfs_quota_us": "-1\n", "cpu/pods/this/cpu.cfs_period_us": "100000\n"}, 16),
        (
            V1,
            {"cpu/pods/this/cpu.cfs_quota_us": "300000\n", "cpu/pods/this/cpu.cfs_period_us": "100000\n"},
            3,
        ),
        (V1, {"cpu/cpu.cfs_quota_us": "200000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 2),
        (V2, {"pods/this/cpu.max": ""}, 16),
        (V2, {"pods/this/cpu.max": "100000 0\n"}, 16),
        ("damaged\n", {"cpu.max": "200000 100000\n"}, 16),
    ],
)
def test_the_smallest_limit_holds(
    tmp_path: Path, membership: str | None, files: Mapping[str, str], cores: int
) -> None:
    if membership is not None:
        (tmp_path / "proc/self").mkdir(parents=True)
        (tmp_path / "proc/self/cgroup").write_text(membership)
    for name, content in files.items():
        path = tmp_path / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    assert usable_cores(tmp_path) == cores


def test_without_affinities_the_cores_of_the_machine_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    assert usable_cores(tmp_path) == 64


@pytest.mark.parametrize("given", [{"OMP_NUM_THREADS": "3"}, {"OPENBLAS_NUM_THREADS": "3"}])
def test_a_number_of_threads_that_is_set_stays(given: dict[str, str]) -> None:
    variables = dict(given)
    limit_library_threads(variables)
    assert variables == given


# Imports the service, or what a command imports, where a quota allows one core.
LOADED = """
import os, sys
from recommender.system import cores
cores.usable_cores = lambda: 1
{loading}
from threadpoolctl import threadpool_info
print(*{{each["num_threads"] for each in threadpool_info()}})
"""


COMMAND = "from recommender.cli.main import main; main(['models', '--help']); import numpy"
SERVICE = """
from gunicorn.app.wsgiapp import WSGIApplication
sys.argv = ["gunicorn", "-c", "config/gunicorn.conf.py", "wsgi:app"]
WSGIApplication()
"""


@pytest.mark.slow
@pytest.mark.parametrize("loading", [COMMAND, SERVICE], ids=["command", "service"])
def test_libraries_use_no_more_threads_than_the_quota_allows_cores(loading: str) -> None:
    script = LOADED.format(loading=loading)
    variables = {"DB_HOST": "127.0.0.1", "DB_PORT": "1", "OMP_NUM_THREADS": "", "OPENBLAS_NUM_THREADS": ""}
    command = [sys.executable, "-c", script]
    done = subprocess.run(  # noqa: S603 - ours
        command,
        cwd=ROOT,
        env=environment(**variables),
        timeout=100,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "1"
