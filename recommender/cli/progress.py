"""Progress on standard error: a bar at a terminal, a line a step elsewhere."""

import sys
from collections.abc import Iterable, Iterator

import click

from recommender.demo.progress import Row


def show_progress(rows: Iterable[Row], label: str, length: int) -> Iterator[Row]:
    """Pass rows through and show how far along they are."""
    text = f"Loading {length:,} {label}"
    with click.progressbar(rows, length=length, label=text, file=sys.stderr) as bar:
        yield from bar
