"""Progress on standard error: a bar at a terminal, a line a step elsewhere."""

from collections.abc import Iterable, Iterator, Sequence

import click

Row = Sequence[object]


def show_progress(rows: Iterable[Row], label: str, length: int) -> Iterator[Row]:
    """Pass rows through and show how far along they are."""
    stream = click.get_text_stream("stderr")
    with click.progressbar(rows, length=length, label=f"Loading {length:,} {label}", file=stream) as bar:
        yield from bar
