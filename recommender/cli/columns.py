"""Rows as aligned lines."""

from collections.abc import Iterator, Sequence

_GAP = "  "


def columns(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield a line for each row, each column as wide as its longest value.

    Args:
        rows: all of the same length.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (value.ljust(width) for value, width in zip(row, widths, strict=True))
        yield _GAP.join(cells).rstrip()
