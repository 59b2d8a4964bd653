"""A name leads to one class."""

import ast
from collections import defaultdict
from pathlib import Path

from config.setting_types import ROOT

_PACKAGES = ("config", "recommender")


def classes_of(module: Path) -> list[str]:
    tree = ast.parse(module.read_text())
    return [node.name for node in tree.body if isinstance(node, ast.ClassDef)]


def test_no_two_modules_define_public_classes_of_one_name() -> None:
    modules = defaultdict(list)
    for package in _PACKAGES:
        for module in sorted((ROOT / package).rglob("*.py")):
            for name in classes_of(module):
                modules[name].append(str(module.relative_to(ROOT)))
    repeated = {name: paths for name, paths in modules.items() if name[0] != "_" and len(paths) > 1}
    assert repeated == {}
