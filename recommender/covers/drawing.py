"""Covers drawn for media that have none: the same for the same medium, one family of posters."""

from html import escape

from recommender.bidi import without_controls
from recommender.covers.motifs import MOTIFS
from recommender.covers.palettes import PALETTES
from recommender.covers.shapes import HEIGHT, WIDTH, Dice, Palette, number, rect

_MARGIN = 22
_TITLE_WIDTH = WIDTH - 2 * _MARGIN
_TITLE_FOOT = HEIGHT - 26
# Where the picture ends.
_FOOT = 338
# Size of the letters, and how many lines of them there is room for.
_SIZES = ((36, 1), (32, 2), (25, 3), (22, 4), (18, 5))
_ALIASES = {
    "CHILDREN": "FAMILY",
    "CHILDRENS": "FAMILY",
    "FILM_NOIR": "CRIME",
    "NOIR": "CRIME",
    "KIDS": "FAMILY",
    "MUSICAL": "MUSIC",
    "SCI_FI": "SCIENCE_FICTION",
    "SCIFI": "SCIENCE_FICTION",
    "SUSPENSE": "THRILLER",
}
_SANS = "'Helvetica Neue',Helvetica,Arial,'Liberation Sans',sans-serif"
_SERIF = "Georgia,'Times New Roman','Liberation Serif',serif"
_SERIF_GENRES = frozenset({"DRAMA", "FANTASY", "HISTORY", "MYSTERY", "ROMANCE", "WESTERN"})
# Letters from there on are as wide as they are high.
_SQUARE_LETTERS = 0x2E80
_WIDE, _NARROW = frozenset("mwMW@%—"), frozenset("fijlrtI.,:;'!|()[] -")


KNOWN_GENRES = tuple(PALETTES)


def cover_svg(media_id: str, title: str, genre: str, year: int | None) -> str:
    """A cover in two by three; whatever the texts hold, they are only ever text."""
    title, genre = _printable(title), _printable(genre)
    dice = Dice(media_id)
    style = _style(genre)
    colours = dice.pick(PALETTES[style])
    own, *others = MOTIFS[style]
    motif = dice.pick((own, own, *others))
    picture = "".join(motif(dice, colours))
    if dice.share() < 0.5:  # noqa: PLR2004 - half of them
        picture = f'<g transform="matrix(-1 0 0 1 {WIDTH} 0)">{picture}</g>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
        f'height="{HEIGHT}" role="img" aria-label="{escape(title or "Cover")}">'
        f"{rect(0, 0, WIDTH, HEIGHT, colours.ground)}{picture}"
        f"{rect(0, _FOOT, WIDTH, HEIGHT - _FOOT, colours.foot)}"
        f"{_head(genre, year, colours)}{_title(title, colours, serif=style in _SERIF_GENRES)}</svg>"
    )


def _style(genre: str) -> str:
    """The genre to draw: its own, one that means the same, or always the same one for a name nobody knows."""
    name = "_".join("".join(c if c.isalnum() else " " for c in genre.replace("'", "")).upper().split())
    name = _ALIASES.get(name, name)
    return name if name in PALETTES else Dice(name).pick(KNOWN_GENRES)


def _head(genre: str, year: int | None, colours: Palette) -> str:
    label = " ".join(genre.replace("_", " ").split()).upper()[:24]
    common = f'y="34" font-family="{_SANS}" font-size="11" font-weight="700" fill="{colours.ink}"'
    shown_year = "" if year is None else str(year)
    return (
        f"{rect(0, 0, WIDTH, 58, colours.ground)}"
        f'<text x="{_MARGIN}" {common} letter-spacing="1.8" unicode-bidi="plaintext">{escape(label)}</text>'
        f'<text x="{WIDTH - _MARGIN}" {common} text-anchor="end" letter-spacing="0.8">{shown_year}</text>'
        f"{rect(_MARGIN, 45, _TITLE_WIDTH, 1.5, colours.ink)}"
    )


def _title(title: str, colours: Palette, *, serif: bool) -> str:
    lines, size = _fitted(" ".join(title.split()))
    spacing = size * 1.06
    first = _TITLE_FOOT - spacing * (len(lines) - 1)
    spans = []
    for place, text in enumerate(lines):
        # Where the letters turn out wider than thought, they are set closer rather than cut.
        tight = f' textLength="{_TITLE_WIDTH}" lengthAdjust="spacingAndGlyphs"'
        fit = tight if _width(text, size) > _TITLE_WIDTH else ""
        spans.append(
            f'<tspan x="{_MARGIN}" y="{number(first + place * spacing)}"{fit} unicode-bidi="plaintext">'
            f"{escape(text)}</tspan>"
        )
    family = _SERIF if serif else _SANS
    return (
        f'<text font-family="{family}" font-size="{size}" font-weight="700" letter-spacing="-0.4" '
        f'fill="{colours.title}">{"".join(spans)}</text>'
    )


def _fitted(title: str) -> tuple[list[str], int]:
    """The title in lines, in the largest letters there is room for."""
    for size, most in _SIZES:
        lines = _wrapped(title, size)
        if len(lines) <= most and all(_width(text, size) <= _TITLE_WIDTH for text in lines):
            return lines, size
    size, most = _SIZES[-1]
    lines = _wrapped(title, size)
    if len(lines) > most:
        lines = [*lines[: most - 1], f"{lines[most - 1]}…"]
    return lines, size


def _wrapped(title: str, size: int) -> list[str]:
    lines: list[str] = []
    for word in title.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and _width(longer, size) <= _TITLE_WIDTH:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _width(text: str, size: int) -> float:
    """As wide as bold letters come out in a wide typeface: which one there is, is the browser's affair."""
    return size * sum(_ems(character) for character in text)


def _ems(character: str) -> float:
    if character in _NARROW:
        return 0.42
    if character in _WIDE:
        return 1.02
    return 0.84 if character.isupper() or ord(character) >= _SQUARE_LETTERS else 0.68


def _printable(text: str) -> str:
    """The text without what XML cannot hold or what only directs, and on one line."""
    return "".join(letter if letter.isprintable() else " " for letter in without_controls(text))
