"""How models compile their loops."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
from numpy.typing import NDArray

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Compile at the first call, for good: seconds during which other threads would get little done.

    Compiled loops run without the interpreter's lock, and check no bounds.
    """
    result: Any
    try:
        result = numba.njit(nogil=True, cache=True)(function)
    except RuntimeError:
        # Neither the package's own folder nor a user's cache can be written to.
        result = numba.njit(nogil=True)(function)
    return cast("Function", result)


def read_only(array: NDArray[Any]) -> NDArray[Any]:
    """Return a view that cannot be written to: a loop is compiled for such arrays and for others apart."""
    view = array.view()
    view.flags.writeable = False
    return view
