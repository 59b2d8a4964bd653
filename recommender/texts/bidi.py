"""Keep foreign text from changing the direction of text around it (Unicode's bidirectional algorithm)."""

import re

# POP DIRECTIONAL FORMATTING ends embeddings and overrides, POP DIRECTIONAL ISOLATE ends isolates.
_EMBEDDINGS, _POP_EMBEDDING = frozenset("\u202a\u202b\u202d\u202e"), "\u202c"
_ISOLATES, _POP_ISOLATE = frozenset("\u2066\u2067\u2068"), "\u2069"
_FIRST_STRONG_ISOLATE = "\u2068"
_MARKS = frozenset("\u200e\u200f\u061c")
# All control characters for direction.
BIDI_CONTROLS = _EMBEDDINGS | _ISOLATES | _MARKS | {_POP_EMBEDDING, _POP_ISOLATE}
# Unicode's paragraph separators: each ends every isolate, also one around the text.
_PARAGRAPH_END = re.compile("\r\n|[\n\r\x1c-\x1e\x85\u2029]")


def balanced(text: str) -> str:
    """Return a text with balanced control characters for direction.

    An unpaired POP DIRECTIONAL ISOLATE would end an isolate around it, such as `<bdi>`, and the text could
    then change the direction of what follows. Paragraph separators become line breaks.
    """
    return "\n".join(_balanced_paragraph(paragraph) for paragraph in _PARAGRAPH_END.split(text))


def isolated(text: str) -> str:
    """Return a balanced text of one line in an isolate, for places without markup: titles and attributes.

    ASCII text cannot change the direction of an English page, and gets no isolate.
    """
    line = balanced(text).replace("\n", " ")
    return line if line.isascii() else f"{_FIRST_STRONG_ISOLATE}{line}{_POP_ISOLATE}"


def without_controls(text: str) -> str:
    """Return a text without control characters for direction."""
    return text if text.isascii() else "".join(letter for letter in text if letter not in BIDI_CONTROLS)


def _balanced_paragraph(paragraph: str) -> str:
    kept: list[str] = []
    # The end characters of the open directions, innermost last.
    ends: list[str] = []
    open_isolates = 0
    for letter in paragraph:
        if letter in _EMBEDDINGS:
            ends.append(_POP_EMBEDDING)
        elif letter in _ISOLATES:
            ends.append(_POP_ISOLATE)
            open_isolates += 1
        elif letter == _POP_EMBEDDING:
            if not ends or ends[-1] != _POP_EMBEDDING:
                continue
            ends.pop()
        elif letter == _POP_ISOLATE:
            if not open_isolates:
                continue
            # The end of an isolate also ends the embeddings in it.
            while ends.pop() != _POP_ISOLATE:
                pass
            open_isolates -= 1
        kept.append(letter)
    return "".join((*kept, *reversed(ends)))
