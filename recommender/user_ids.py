"""User ids as people and programs write them."""

import re


def canonical_id(text: str, pattern: re.Pattern[str]) -> str | None:
    """The form of an id that the databases know, or None where it does not match the id pattern."""
    if not pattern.fullmatch(text):
        return None
    # A pattern that ignores case admits several spellings of one id; the databases know the lower one.
    return text.lower() if pattern.flags & re.IGNORECASE else text
