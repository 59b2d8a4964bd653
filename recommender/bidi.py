"""Direction of text (Unicode's bidirectional algorithm): foreign text must not affect its surroundings."""

import re

# Embeddings and overrides end at a POP DIRECTIONAL FORMATTING, isolates at a POP DIRECTIONAL ISOLATE.
_EMBEDDINGS, _POP_EMBEDDING = frozenset("\u202a\u202b\u202d\u202e"), "\u202c"
_ISOLATES, _POP_ISOLATE = frozenset("\u2066\u2067\u2068"), "\u2069"
_FIRST_STRONG_ISOLATE = "\u2068"
_MARKS = frozenset("\u200e\u200f\u061c")
# Characters that only set a direction.
BIDI_CONTROLS = _EMBEDDINGS | _ISOLATES | _MARKS | {_POP_EMBEDDING, _POP_ISOLATE}
# Unicode's paragraph separators: each ends every isolate, also one that a page has put around the text.
_PARAGRAPH_END = re.compile("\r\n|[\n\r\x1c-\x1e\x85\u2029]")


def balanced(text: str) -> str:
    """Return a text that ends every direction it begins, and no direction that began outside of it.

    An isolate around it, such as `<bdi>`, is then effective: an unpaired POP DIRECTIONAL ISOLATE would end
    it, and the text could change the direction of what follows. Paragraph separators become line breaks.
    """
    return "\n".join(_balanced_paragraph(paragraph) for paragraph in _PARAGRAPH_END.split(text))


def isolated(text: str) -> str:
    """Return a balanced text of one line in an isolate, for places without markup: titles and attributes.

    ASCII cannot change the direction of a page in English, and gets no isolate.
    """
    line = balanced(text).replace("\n", " ")
    return line if line.isascii() else f"{_FIRST_STRONG_ISOLATE}{line}{_POP_ISOLATE}"


def without_controls(text: str) -> str:
    """Return a text without characters that only set a direction."""
    return text if text.isascii() else "".join(letter for letter in text if letter not in BIDI_CONTROLS)


def _balanced_paragraph(paragraph: str) -> str:
    kept: list[str] = []
    # Characters that end the open directions, the innermost last.
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
            # Embeddings that an isolate holds end with it.
            while ends.pop() != _POP_ISOLATE:
                pass
            open_isolates -= 1
        kept.append(letter)
    return "".join((*kept, *reversed(ends)))
