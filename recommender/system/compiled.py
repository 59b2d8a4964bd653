"""Compile loops with numba, or use variants in numpy where it is not installed."""

import contextlib
from collections.abc import Callable
from typing import Any, TypeVar, cast

from numpy.typing import NDArray

njit: Any
try:
    import numba
except ImportError:
    njit = None
else:
    from recommender.system.code_cache import ToleratedCache

    njit = numba.njit

Function = TypeVar("Function", bound=Callable[..., Any])

IS_COMPILING = njit is not None
WITHOUT_COMPILER = (
    "numba is not installed: ids are looked up and models score in numpy. Answers are the same, but those of "
    "trained models take about twice as long"
)


def compiled(function: Function) -> Function:
    """Compile a function at its first call, and keep the code on disk: compiling takes seconds.

    Compiled loops run without the interpreter's lock, and check no bounds. Without a compiler the function
    stays as it is, and is not called: its callers are replaced by variants in numpy (`compiled_or`).
    """
    if njit is None:
        return function
    result: Any = njit(nogil=True)(function)
    # Neither the package's own folder nor a user's cache may be writable: then the code is not kept.
    with contextlib.suppress(RuntimeError, OSError):
        # As `cache=True` does with numba's own class.
        result._cache = ToleratedCache(function)  # noqa: SLF001 - see above
    return cast("Function", result)


def compiled_or(plain: Callable[..., Any]) -> Callable[[Function], Function]:
    """Compile as `compiled` does; without a compiler, use `plain` instead, which does the same in numpy."""

    def choose(function: Function) -> Function:
        return compiled(function) if IS_COMPILING else cast("Function", plain)

    return choose


def read_only(array: NDArray[Any]) -> NDArray[Any]:
    """Return a view that cannot be written to: loops are compiled separately for such arrays."""
    view = array.view()
    view.flags.writeable = False
    return view
