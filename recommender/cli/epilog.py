"""The end of a command's help: examples, and what its exit statuses mean."""

from collections.abc import Mapping, Sequence

from config.setting_types import PROGRAM

# At its beginning click leaves the lines of a paragraph as they are.
_AS_IT_IS = "\b\n"


def block(title: str, lines: Sequence[str]) -> str:
    """Lines under a title."""
    return _AS_IT_IS + "\n".join([title, *(f"  {line}" for line in lines)])


def epilog(
    *examples: str, statuses: Mapping[int, str] | None = None, more: Mapping[str, Sequence[str]] | None = None
) -> str:
    """What stands below the options; examples are what follows the program's name, or whole lines."""
    blocks = [block(title, lines) for title, lines in (more or {}).items()]
    lines = [line if PROGRAM in line else f"{PROGRAM} {line}" for line in examples]
    blocks.append(block("Examples:", lines))
    if statuses:
        blocks.append(block("Exit status:", [f"{status}  {meaning}" for status, meaning in statuses.items()]))
    return "\n\n".join(blocks)
