"""Collects, marks and distributes tests. Their fixtures are in tests/fixtures.py."""

import gc
import os
from pathlib import Path

import hypothesis
import pytest

from recommender.system.cores import usable_cores
from tests.support.memory import folder_in_memory

_TESTS = Path(__file__).parent
# Fixtures that start Gunicorn.
_SERVED = {"service", "gunicorn"}

# The time of an example depends on the load of the machine, not only on the code.
hypothesis.settings.register_profile("patient", deadline=None)
# Examples take a third of the time of the fast tests, which are run after each change; all tests draw more.
hypothesis.settings.register_profile("fast", deadline=None, max_examples=25)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Return the number of test processes: 3 for 2 cores, as tests wait for servers and have time limits.

    Fast tests do not wait, so they get one process per core.
    """
    cores = usable_cores()
    return cores if config.option.markexpr == "fast" else cores * 3 // 2


def pytest_configure(config: pytest.Config) -> None:
    """Load the fixtures in processes that run tests, and let each of several processes compute in one thread.

    More threads than cores would wait for each other and use CPU time. The files of tests are in memory if
    there is room: models and batch jobs sync theirs to the disk, which takes seconds in all.
    """
    room = folder_in_memory()
    if room is not None:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(room))
    hypothesis.settings.load_profile("fast" if config.option.markexpr == "fast" else "patient")
    if config.getoption("numprocesses", None):
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    else:
        # The fixtures import the service, which the process that distributes tests does not need.
        config.pluginmanager.import_plugin("tests.fixtures")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Ignore slow tests if only fast ones run: importing them takes longer than these run."""
    if config.option.markexpr != "fast" or collection_path.parent != _TESTS:
        return None
    return collection_path.is_dir() and collection_path.name != "unit"


def pytest_sessionstart() -> None:
    """Collect no garbage while modules are imported: there is little, and each pass takes longer."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Exclude modules and tests from garbage collection: they are a million objects that stay."""
    gc.collect()
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by their folder and their fixtures."""
    for item in items:
        folder = item.path.relative_to(_TESTS).parts[0]
        fixtures = set(getattr(item, "fixturenames", ()))
        if folder == "unit" and item.get_closest_marker("slow") is None:
            item.add_marker(pytest.mark.fast)
        if folder == "browser":
            item.add_marker(pytest.mark.browser)
        if "server" in fixtures:
            item.add_marker(pytest.mark.postgres)
        if fixtures & _SERVED or hasattr(getattr(item, "module", None), "running_gunicorn"):
            item.add_marker(pytest.mark.gunicorn)
