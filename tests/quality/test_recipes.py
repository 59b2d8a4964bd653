"""The recipes of CONTRIBUTING.md, applied to a copy of the project, pass the checks that they name."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from config.setting_types import ROOT

GUIDE = (ROOT / "CONTRIBUTING.md").read_text()
RECIPES = ("a model", "a filter", "an endpoint", "a statement", "a setting")
# Hidden files that tests or linters read.
NEEDED = {".ci", ".dockerignore", ".env.example", ".gitignore"}
PATIENCE_S = 120.0


def section(recipe: str) -> str:
    return GUIDE.partition(f"\n## Add {recipe}\n")[2].partition("\n## ")[0]


def steps(recipe: str) -> list[tuple[str, str, str]]:
    """Return file, language and text of each code block. The file is the last one named before it."""
    found, path = [], ""
    pattern = r"^[A-Z][^`\n]*`([\w./-]+)`[^\n]*:$|^```(\w+)\n(.*?)^```$"
    for named, language, text in re.findall(pattern, section(recipe), re.MULTILINE | re.DOTALL):
        path = named or path
        if language:
            found.append((path, language, text))
    return found


def apply(folder: Path, path: str, language: str, text: str) -> None:
    """Write a new file, or change a file at the only place that has the lines without a plus."""
    file = folder / path
    if language != "diff":
        assert not file.exists(), path
        file.write_text(text)
        return
    lines = text.splitlines()
    before = "".join(f"{line[1:]}\n" for line in lines if not line.startswith("+"))
    after = "".join(f"{line[1:]}\n" for line in lines if not line.startswith("-"))
    content = file.read_text()
    assert content.count(before) == 1, f"{path} has not once:\n{before}"
    file.write_text(content.replace(before, after))


def checks(recipe: str) -> list[tuple[str, str]]:
    """Return the path and the expression of each check of a recipe."""
    found = re.findall(r'^ {4}make test ARGS="([^"]+)"$', section(recipe), re.MULTILINE)
    return [(path, chosen) for path, _, chosen in (shlex.split(each) for each in found)]


def run(folder: Path, *arguments: str) -> None:
    result = subprocess.run(  # noqa: S603 - our own files
        [sys.executable, "-m", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr


def hidden(_folder: str, names: list[str]) -> set[str]:
    """Return the hidden files of a folder that the copy does not need, such as the virtual environment."""
    return {name for name in names if name.startswith(".") and name not in NEEDED}


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the project with all recipes applied."""
    folder = tmp_path_factory.mktemp("recipes") / "project"
    shutil.copytree(ROOT, folder, ignore=hidden)
    for recipe in RECIPES:
        for step in steps(recipe):
            apply(folder, *step)
    return folder


def test_every_recipe_of_the_guide_is_followed() -> None:
    assert tuple(re.findall(r"^## Add (.+)$", GUIDE, re.MULTILINE)) == RECIPES
    for recipe in RECIPES:
        assert steps(recipe)
        assert checks(recipe)


def test_the_checks_of_the_recipes_pass(changed: Path) -> None:
    # In one process, because each takes seconds to start.
    found = [check for recipe in RECIPES for check in checks(recipe)]
    paths = sorted({path for path, _ in found})
    chosen = " or ".join(f"({expression})" for _, expression in found)
    run(changed, "pytest", "-q", "-p", "no:cacheprovider", *paths, "-k", chosen)


def test_code_of_the_recipes_passes_the_linters(changed: Path) -> None:
    files = [path for recipe in RECIPES for path, _, _ in steps(recipe) if path.endswith(".py")]
    run(changed, "ruff", "check", "--no-cache", *sorted(set(files)))
    run(changed, "ruff", "format", "--no-cache", "--check", *sorted(set(files)))
