"""Without numba, answers are the same, and the service reports the cost."""

import subprocess
import sys

import pytest

from config.setting_types import ROOT

pytestmark = pytest.mark.slow

# An import of numba then fails.
BLOCKED = "import sys; sys.modules['numba'] = None; "
_GOLDEN = "tests/golden/test_golden.py::test_answers_of"
# They call nothing that is compiled.
_UNCOMPILED = (
    "models/user_knn/test_checks.py",
    "models/user_knn/test_scores.py",
    "models/user_knn/test_shortlist.py",
    "models/user_knn/test_similar_users.py",
    "ranking/test_item_similarity.py",
    "ranking/test_rerank.py",
)
_UNCOMPILED_TESTS = (
    "models/test_als.py::test_the_factors_have_converged",
    "ranking/test_genre_matching.py::test_each_item_adds_one_to_the_counts_unless_it_has_no_genres",
    "ranking/test_genre_matching.py::test_stated_genres_that_an_item_has_are_counted",
    "texts/test_id_table.py::test_byte_strings_of_one_width_are_texts",
)
# In one process, which starts one server. The recorded answers with other weights are by the exact formula,
# too, so that its loops need not be run for every user.
TESTS = [
    "tests/unit/ranking",
    "tests/unit/texts/test_id_table.py",
    "tests/unit/models",
    *(f"--ignore=tests/unit/{name}" for name in _UNCOMPILED),
    *(f"--deselect=tests/unit/{name}" for name in _UNCOMPILED_TESTS),
    f"{_GOLDEN}_the_neighbours_model_are_unchanged",
    f"{_GOLDEN}_live_sql_are_unchanged[capped]",
    f"{_GOLDEN}_live_sql_are_unchanged[weighted]",
]


def run(program: str) -> "subprocess.CompletedProcess[str]":
    """Run a program in which numba cannot be imported."""
    return subprocess.run(  # noqa: S603 - our own
        [sys.executable, "-c", BLOCKED + program], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_answers_are_the_same() -> None:
    done = run(f"import pytest; sys.exit(pytest.main(['-n0', *{TESTS!r}]))")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert " passed" in done.stdout


def test_check_warns_about_missing_numba() -> None:
    program = (
        "import os; os.environ.update(DB_HOST='127.0.0.1', DB_PORT='1', DB_USER='x', DB_PASSWORD='x'); "
        "from recommender.cli.main import main; sys.exit(main(['check']))"
    )
    done = run(program)
    assert (
        "warning  numba: numba is not installed: ids are looked up and models score in numpy." in done.stdout
    )


def test_models_of_missing_packages_are_left_out() -> None:
    program = (
        "sys.modules['implicit'] = None; "
        "from recommender.models.registry import MODELS; print(MODELS['als'].missing_package())"
    )
    done = run(program)
    assert done.stdout == "implicit is not installed: pip install -r requirements-als.txt\n", done.stderr
