"""The wheel holds the whole tree, and the installed command works from any folder."""

import os
import re
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from config.setting_types import ROOT
from recommender import __version__

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
# In requirements.txt, but needed only by tests.
FOR_TESTS = {"psycopg2-binary", "pytest", "pytest-postgresql", "scikit-learn"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    # Without a package index: the tests' requirements include the build tool.
    subprocess.run([*command, "--no-index", "--wheel-dir", folder, ROOT], check=True)  # noqa: S603 - our own
    (built,) = folder.glob("*.whl")
    return built


def tree() -> set[str]:
    """Return every file that the service needs, by its path from the top of the tree."""
    files = {"app.py", "wsgi.py"}
    for name in ("config", "recommender", "sql"):
        paths = [path for path in (ROOT / name).rglob("*") if path.is_file()]
        files.update(str(path.relative_to(ROOT)) for path in paths if "__pycache__" not in path.parts)
    return files


@pytest.mark.slow
def test_the_wheel_holds_every_file_of_the_tree_in_one_package(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as packed:
        held = set(packed.namelist())
    kept = tree()
    assert {Path(name).suffix for name in kept} >= {".css", ".html", ".js", ".py", ".sql", ".svg", ".toml"}
    assert kept <= {name.removeprefix("marquee/") for name in held}
    assert {name.split("/")[0] for name in held} == {"marquee", f"marquee-{__version__}.dist-info"}


@pytest.mark.slow
def test_the_installed_command_works_from_another_folder(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", symlinks=True)
    python = tmp_path / "venv" / "bin" / "python"
    site = Path(
        sysconfig.get_path("purelib", "venv", {"base": str(tmp_path / "venv"), "platbase": str(tmp_path)})
    )
    # Use the dependencies of this environment: installing them takes longer.
    (site / "dependencies.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    install: list[str] = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(python),
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
    ]
    subprocess.run([*install, str(wheel)], check=True)  # noqa: S603 - our own
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    # Folders with names that the service also has.
    for name in ("app.py", "config.py", "recommender.py", "wsgi.py"):
        (folder / name).write_text("raise ImportError('not this one')\n")
    (folder / ".env").write_text("API_KEYS=nonsense\n")
    environment = {"PATH": os.environ["PATH"]}

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [str(python.parent / "marquee"), *arguments]
        return subprocess.run(  # noqa: S603 - our own
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )

    shown = run("--help")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.startswith("Usage: marquee ")
    assert run("--version").stdout == f"marquee, version {__version__}\n"
    made = run("make-key", "frontend", "--scope", "read")
    assert (made.returncode, "API_KEYS" in made.stdout) == (0, True)
    # The settings come from the current folder.
    assert "API_KEYS: an entry is not of the form" in run("models", "list").stderr
    (folder / ".env").unlink()
    assert f"There are no versions in {folder / '.models'}." in run("models", "list").stdout
    loaded = subprocess.run(  # noqa: S603 - our own
        [python, "-c", "import marquee.wsgi as served; print(served.app.name)"],
        cwd=folder,
        env=environment | {f"{name}_DB_URL": "postgresql:///x" for name in ("USER", "CATALOG", "ENGAGEMENT")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (loaded.stdout, loaded.stderr) == ("app\n", "")


def requirements(texts: list[str]) -> dict[str, Requirement]:
    found = [Requirement(text) for text in texts]
    return {canonicalize_name(requirement.name): requirement for requirement in found}


def pinned(name: str) -> dict[str, Requirement]:
    lines = re.findall(r"^[^#\s-].*?(?=\s*#|$)", (ROOT / name).read_text(), re.MULTILINE)
    return requirements(lines)


def test_the_package_depends_on_the_pinned_packages() -> None:
    declared, pins = requirements(PROJECT["dependencies"]), pinned("requirements.txt")
    assert declared.keys() == pins.keys() - FOR_TESTS
    for name, requirement in declared.items():
        assert requirement.specifier.contains(str(pins[name].specifier).removeprefix("==")), requirement
        assert requirement.extras == pins[name].extras


def test_every_extra_has_a_file_of_its_own() -> None:
    files = {path.stem.removeprefix("requirements-") for path in ROOT.glob("requirements-*.txt")}
    extras = PROJECT["optional-dependencies"]
    assert extras.keys() == files - {"dev"}
    for extra, texts in extras.items():
        declared, pins = requirements(texts), pinned(f"requirements-{extra}.txt")
        assert declared.keys() == pins.keys()
        for name, requirement in declared.items():
            assert requirement.specifier.contains(str(pins[name].specifier).removeprefix("==")), requirement
