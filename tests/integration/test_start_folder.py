"""Gunicorn starts and reloads from any folder."""

import signal
import sys
from pathlib import Path

import pytest

from config.setting_types import ROOT
from tests.support.gunicorn import gunicorn_in, settings_alone, without_numba
from tests.support.postgres import Urls
from tests.support.waiting import wait_until

# The installed command: unlike `python -m gunicorn`, it does not make the current folder importable.
GUNICORN = str(Path(sys.executable).parent / "gunicorn")
CONFIG = "config/gunicorn.conf.py"


@pytest.mark.parametrize(
    ("folder", "arguments"),
    [
        (Path("/"), ["--chdir", str(ROOT), "-c", str(ROOT / CONFIG)]),
        (Path("/"), ["-c", str(ROOT / CONFIG)]),
        (ROOT, ["-c", CONFIG, "--chdir", str(ROOT)]),
        (ROOT.parent, ["-c", f"{ROOT.name}/{CONFIG}"]),
        (ROOT, ["-c", CONFIG]),
    ],
)
def test_gunicorn_starts_and_reloads_from_any_folder(
    shared_databases: Urls, tmp_path: Path, folder: Path, arguments: list[str]
) -> None:
    command = [GUNICORN, *arguments, "wsgi:app"]
    variables = {**settings_alone(WORKERS="1"), **without_numba(tmp_path)}
    with gunicorn_in(folder, shared_databases, variables, command=command) as server:
        (before,) = server.workers()
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: set(server.workers()) not in (set(), {before}) and len(server.workers()) == 1)
        assert server.get("/ready").status == 200
