"""Compiled code that an earlier start has left, so that tests of it need not compile everything."""

import shutil
from pathlib import Path
from typing import Any

from numba.core.caching import _CacheLocator

from recommender.ranking.warm_up import warm_up_ranking
from recommender.texts.id_table import warm_up


def copy_compiled_code(function: Any, folder: Path) -> list[Path]:
    """Copy the code of a compiled function, and of all others in its folder, to a value of NUMBA_CACHE_DIR.

    Returns:
        The copies.
    """
    # In a new checkout nothing has been compiled.
    warm_up()
    warm_up_ranking()
    locator: Any = _CacheLocator
    home = folder / locator.get_suitable_cache_subpath(function.py_func.__code__.co_filename)
    kept = function._cache  # noqa: SLF001 - numba gives no other access
    home.mkdir()
    # The folder may also have code of earlier sources.
    of_these_sources = sorted(Path(kept.cache_path).glob(f"*-{kept.release}.*"))
    return [Path(shutil.copy2(path, home)) for path in of_these_sources]
