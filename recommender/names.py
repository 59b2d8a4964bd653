"""Names of genres and of types of media: how they are shown, and which spellings are the same name."""

import unicodedata
from collections.abc import Sequence
from functools import lru_cache

# The longest name that a request may hold and that the SQL files return, in characters.
MAX_NAME_CHARACTERS = 100

# Not white space to `str.split`, yet nothing is seen of them: the zero width space, the word joiner and the
# byte order mark.
_UNSEEN = str.maketrans(dict.fromkeys("\u200b\u2060\ufeff", " "))
# A catalog has some dozens of names, each in a few spellings, and every answer reads them: 2 µs a name
# uncached. Holds 2 MB at most.
_CACHED_SPELLINGS = 4096


def shown_name(text: str) -> str:
    """Return a name as it is shown: trimmed, single-spaced, in NFC; empty without a visible character."""
    return _spelled(text)[0]


def name_key(text: str) -> str:
    """Return what all spellings of a name have in common: the shown name without regard to case."""
    return _spelled(text)[1]


def distinct_names(names: Sequence[str] | None) -> dict[str, str]:
    """Return `{key: as shown}`, sorted by key, without names that have no visible character.

    Of several spellings the first by code points is shown, whatever order they come in.
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
    # Unicode defines caseless matching of canonical equivalents on the decomposed form; folding may leave it
    # in another form than it was in.
    folded = unicodedata.normalize("NFD", shown).casefold()
    return shown, unicodedata.normalize("NFC", folded)


_cached_spelling = lru_cache(maxsize=_CACHED_SPELLINGS)(_spelling)
