"""Train by the command; measure time, peak memory and artifact size."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from benchmarks.dataset import BenchmarkData
from config.database_settings import url_variables
from config.setting_types import ROOT


class Trained(NamedTuple):
    """A published model. `peak_mb`: of the command, interpreter and interactions included."""

    seconds: float
    peak_mb: float
    artifact_mb: float


def train(model: str, data: BenchmarkData, folder: Path) -> Trained | None:
    """Train a registered model into a folder of its own; None where the command refuses to."""
    shutil.rmtree(folder, ignore_errors=True)
    environment = {
        **os.environ,
        **url_variables(data.urls),
        "MODEL_PATH": str(folder),
    }
    before = time.perf_counter()
    command = [sys.executable, "-m", "recommender", "train", model]
    process = subprocess.Popen(command, cwd=ROOT, env=environment)  # noqa: S603 - our own files
    # Memory of this child; `resource` has only the maximum over all.
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        return None
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return Trained(time.perf_counter() - before, usage.ru_maxrss / 1e3, size / 1e6)
