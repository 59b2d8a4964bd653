"""How tests are collected, marked and spread; their fixtures are in tests/fixtures.py."""

import gc
import os
from pathlib import Path

import hypothesis
import pytest

_TESTS = Path(__file__).parent
# Fixtures that serve by Gunicorn.
_SERVED = {"service", "gunicorn"}

# How long an example takes says more about what else the machine does than about the code.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Three processes for two cores: tests wait for servers and intervals, and have time limits.

    Fast tests wait for nothing.
    """
    cores = os.cpu_count() or 1
    return cores if config.option.markexpr == "fast" else cores * 3 // 2


def pytest_configure(config: pytest.Config) -> None:
    """Load the fixtures where tests run; where several processes do, let each compute in one thread.

    More threads than cores would wait for them, busily.
    """
    if config.getoption("numprocesses", None):
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    else:
        # It imports the service, which the process that hands out tests does not need.
        config.pluginmanager.import_plugin("tests.fixtures")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Where only fast tests are asked for, do not import the others: that takes longer than they do."""
    if config.option.markexpr != "fast" or collection_path.parent != _TESTS:
        return None
    return collection_path.is_dir() and collection_path.name != "unit"


def pytest_sessionstart() -> None:
    """Collect no garbage while modules are imported: there is little, and each look takes longer."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Leave the modules and the tests themselves to no collection: they stay, and are a million objects."""
    gc.collect()
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by what they need, which their folder and their fixtures say."""
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
