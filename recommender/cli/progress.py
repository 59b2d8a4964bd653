"""Progress on standard error: a bar at a terminal, a line now and then elsewhere."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from recommender.demo.progress import Row

Show = Callable[[int], None]
T = TypeVar("T")

_SHOWN_STEPS = 200
# In a log, a few lines suffice to show that the command is alive.
_LINE_S = 10.0


def show_progress(rows: Iterable[Row], label: str, length: int) -> Iterator[Row]:
    """Yield rows that are loaded, and show progress: a `ProgressBar`."""
    yield from with_progress(rows, f"Loading {length:,} {label}", length)


def with_progress(rows: Iterable[T], label: str, length: int) -> Iterator[T]:
    """Yield rows of any kind, and show progress."""
    step = max(1, length // _SHOWN_STEPS)
    with progress(label, length) as show:
        for number, row in enumerate(rows, start=1):
            yield row
            if number % step == 0:
                show(number)


@contextmanager
def progress(label: str, total: int, done: int = 0) -> Iterator[Show]:
    """Yield a function that shows how much of a total is done."""
    console = Console(stderr=True)
    if not console.is_terminal:
        console.print(label, highlight=False, soft_wrap=True)
        yield _lines(console, total)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(label, total=total, completed=done)
        yield lambda now: bar.update(task, completed=now)


def _lines(console: Console, total: int) -> Show:
    last = time.monotonic()

    def show(done: int) -> None:
        nonlocal last
        if time.monotonic() - last >= _LINE_S:
            last = time.monotonic()
            console.print(f"  {done:,} of {total:,}", highlight=False, soft_wrap=True)

    return show
