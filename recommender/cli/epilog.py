"""The end of a command's help: examples and exit statuses."""

from collections.abc import Mapping, Sequence

from config.setting_types import PROGRAM

# A paragraph that begins with this keeps its line breaks in click.
_AS_IT_IS = "\b\n"


def block(title: str, lines: Sequence[str]) -> str:
    """Return lines under a title."""
    return _AS_IT_IS + "\n".join([title, *(f"  {line}" for line in lines)])


def epilog(
    *examples: str, statuses: Mapping[int, str] | None = None, more: Mapping[str, Sequence[str]] | None = None
) -> str:
    """Return the text below the options; examples lack the program's name, or are whole lines."""
    blocks = [block(title, lines) for title, lines in (more or {}).items()]
    lines = [line if PROGRAM in line else f"{PROGRAM} {line}" for line in examples]
    blocks.append(block("Examples:", lines))
    if statuses:
        blocks.append(block("Exit status:", [f"{status}  {meaning}" for status, meaning in statuses.items()]))
    return "\n\n".join(blocks)
