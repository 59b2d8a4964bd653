"""Normalize names of genres and categories for display and comparison; the rule for names in files."""

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

# The longest name in requests and in results of the SQL files, in characters.
MAX_NAME_CHARACTERS = 100

# Names that files declare, of attributes, experiments and their variants; and the rule in words.
DECLARED_NAME = re.compile("[a-z][a-z0-9_]{0,39}")
DECLARED_NAME_RULE = "a name must be of 1 to 40 characters a to z, 0 to 9 and _, and begin with a letter"

# Invisible, but no white space for `str.split`: zero width space, word joiner, byte order mark.
_UNSEEN = str.maketrans(dict.fromkeys("\u200b\u2060\ufeff", " "))
# A catalog has dozens of names in a few spellings each, and every answer reads them (2 µs each uncached).
# At most 2 MB.
_CACHED_SPELLINGS = 4096


def shown_name(text: str) -> str:
    """Return a name for display: trimmed, single-spaced, in NFC; empty without a visible character."""
    return _spelled(text)[0]


def is_blank(text: str) -> bool:
    """Return whether a text has no visible character, so that `shown_name` of it is empty."""
    # Most texts begin with a visible character, and descriptions are long.
    return all(character.isspace() or ord(character) in _UNSEEN for character in text)


def name_key(text: str) -> str:
    """Return the key that all spellings of a name share: the case-folded display name."""
    return _spelled(text)[1]


def distinct_names(names: Sequence[str] | None) -> dict[str, str]:
    """Return `{key: display name}`, sorted by key, without names that have no visible character.

    Of several spellings, the first by code points is displayed.
    """
    by_key: dict[str, str] = {}
    for shown, key in sorted(map(_spelled, names or ())):
        if key:
            by_key.setdefault(key, shown)
    return dict(sorted(by_key.items()))


def _spelled(text: str) -> tuple[str, str]:
    """Return the display name and the key of a name."""
    # Custom SQL files may return names of any length. Long ones are not cached, to bound the cache in bytes.
    return _cached_spelling(text) if len(text) <= MAX_NAME_CHARACTERS else _spelling(text)


def _spelling(text: str) -> tuple[str, str]:
    shown = unicodedata.normalize("NFC", " ".join(text.translate(_UNSEEN).split()))
    # Unicode folds case on the decomposed form. The result may be of another form, so it is normalized.
    folded = unicodedata.normalize("NFD", shown).casefold()
    return shown, unicodedata.normalize("NFC", folded)


_cached_spelling = lru_cache(maxsize=_CACHED_SPELLINGS)(_spelling)
