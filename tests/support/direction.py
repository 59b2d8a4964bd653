"""Finds text in a page's HTML that may change the direction of the text around it."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

_ENDS = {
    "\u202a": "\u202c",
    "\u202b": "\u202c",
    "\u202d": "\u202c",
    "\u202e": "\u202c",
    "\u2066": "\u2069",
    "\u2067": "\u2069",
    "\u2068": "\u2069",
}
CONTROLS = {*_ENDS, *_ENDS.values(), "\u200e", "\u200f", "\u061c"}
_VOID = {"img", "input", "meta", "link", "br", "hr"}


def is_balanced(text: str) -> bool:
    """Return whether every line of a text closes exactly the directions that it opens."""
    if set(text) & set("\r\x1c\x1d\x1e\x85\u2029"):
        return False
    for line in text.split("\n"):
        waiting: list[str] = []
        for letter in line:
            if letter in _ENDS:
                waiting.append(_ENDS[letter])
            elif letter == "\u2069":
                while waiting and waiting[-1] == "\u202c":
                    waiting.pop()
                if not waiting:
                    return False
                waiting.pop()
            elif letter == "\u202c" and (not waiting or waiting.pop() != "\u202c"):
                return False
        if waiting:
            return False
    return True


@dataclass
class _Reader(HTMLParser):
    """Collects texts with bidi controls, inside and outside of isolated elements."""

    isolated: list[str] = field(default_factory=list)
    loose: list[str] = field(default_factory=list)
    _open: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            self._note(value or "", f"{tag} {name}", in_markup=False)
        if tag not in _VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            self._note(value or "", f"{tag} {name}", in_markup=False)

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        self._note(data, " ".join(self._open), in_markup="bdi" in self._open)

    def _note(self, text: str, where: str, *, in_markup: bool) -> None:
        if not set(text) & CONTROLS:
            return
        in_text = text[:1] == "\u2068" and is_balanced(text.partition(" · ")[0][1:-1])
        kept_apart = is_balanced(text) and (in_markup or in_text)
        (self.isolated if kept_apart else self.loose).append(f"{where}: {text!a}")


def directions(html: str) -> tuple[list[str], list[str]]:
    """Return the texts with bidi controls that are isolated, and those that affect their surroundings."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.isolated, reader.loose
