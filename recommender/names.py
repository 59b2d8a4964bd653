"""Names of genres and types: how they are shown, and which spellings are the same name."""

import unicodedata
from collections.abc import Sequence
from functools import lru_cache

# The longest name that a request may hold and that the SQL files return, in characters.
MAX_NAME_CHARACTERS = 100

# Invisible, but not white space for `str.split`: the zero width space, the word joiner and the byte order
# mark.
_UNSEEN = str.maketrans(dict.fromkeys("\u200b\u2060\ufeff", " "))
# A catalog has dozens of names in a few spellings each, and every answer reads them: 2 µs per name without
# the cache. At most 2 MB.
_CACHED_SPELLINGS = 4096


def shown_name(text: str) -> str:
    """Return a name for display: trimmed, single-spaced, in NFC; empty without a visible character."""
    return _spelled(text)[0]


def name_key(text: str) -> str:
    """Return the key that all spellings of a name share: the shown name without case."""
    return _spelled(text)[1]


def distinct_names(names: Sequence[str] | None) -> dict[str, str]:
    """Return `{key: shown name}`, sorted by key, without names that have no visible character.

    Of several spellings, the first by code points is shown, whatever their order.
    """
    by_key: dict[str, str] = {}
    for shown, key in sorted(map(_spelled, names or ())):
        if key:
            by_key.setdefault(key, shown)
    return dict(sorted(by_key.items()))


def _spelled(text: str) -> tuple[str, str]:
    """Return a name as shown, and its key."""
    # An overlaid SQL file may return names of any length; the cache is bounded in bytes by refusing those.
    return _cached_spelling(text) if len(text) <= MAX_NAME_CHARACTERS else _spelling(text)


def _spelling(text: str) -> tuple[str, str]:
    shown = unicodedata.normalize("NFC", " ".join(text.translate(_UNSEEN).split()))
    # Unicode defines caseless matching on the decomposed form; case folding may change the form.
    folded = unicodedata.normalize("NFD", shown).casefold()
    return shown, unicodedata.normalize("NFC", folded)


_cached_spelling = lru_cache(maxsize=_CACHED_SPELLINGS)(_spelling)
