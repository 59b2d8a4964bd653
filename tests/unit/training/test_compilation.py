"""Compiling ahead of the first training compiles everything that models score with."""

import subprocess
import sys

import pytest

from config.setting_types import ROOT

# In its own process, because other tests compile, too.
_PROGRAM = """
import tempfile
from pathlib import Path
from recommender.models import transitions, weight_arrays
from recommender.models.user_knn import kernels
from recommender.training.compilation import compile_models
from tests.support.training import publish_made_up

def compiled():
    found = [each for module in (kernels, transitions, weight_arrays) for each in vars(module).values()]
    return {each.py_func.__name__: len(each.signatures) for each in found if hasattr(each, "signatures")}

compile_models()
before = compiled()
with tempfile.TemporaryDirectory() as folder:
    for name in ("neighbours", "ease_transitions"):
        publish_made_up(Path(folder), name, users=2000)
assert before == compiled(), (before, compiled())
print(sorted(name for name, count in before.items() if count))
"""


@pytest.mark.slow
def test_publishing_compiles_no_further_kernels() -> None:
    found = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", _PROGRAM],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for kernel in ("add_popular", "add_rare", "find_contenders", "overlaps_of", "add_weights"):
        assert repr(kernel) in found.stdout
