"""Covers drawn for media that have none: the same for the same medium, one family of posters."""

from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

from recommender.api.explorer.motifs import MOTIFS
from recommender.api.explorer.shapes import HEIGHT, WIDTH, Dice, Palette, number, rect

_MARGIN = 22
_TITLE_WIDTH = WIDTH - 2 * _MARGIN
_TITLE_FOOT = HEIGHT - 26
# Where the picture ends.
_FOOT = 338
# Size of the letters, and how many lines of them there is room for.
_SIZES = ((36, 1), (32, 2), (27, 3), (22, 4), (18, 5))
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


def _palettes(*rows: str) -> tuple[Palette, ...]:
    return tuple(Palette(*(f"#{colour}" for colour in row.split())) for row in rows)


# Ground, ink, foot, title, and three for the picture.
_PALETTES: Mapping[str, Sequence[Palette]] = {
    "ACTION": _palettes(
        "c81d38 fff4e0 17171c fff4e0 ef5b2d ffc83a 17171c", "17171c fff4e0 17171c ffc83a d7263d ffc83a 3a3a44"
    ),
    "ADVENTURE": _palettes(
        "f6dcae 16404d 16404d fdf3df e0703a 7fb09a 2f7474", "bfe0de 143a46 143a46 fdf3df f2a541 6aa3a6 2b6670"
    ),
    "ANIMATION": _palettes(
        "ffcf56 26286b ffcf56 26286b ff6b6b 2fbfae fff6df", "bdebe2 2b2469 bdebe2 2b2469 ff7f66 ffc93c ffffff"
    ),
    "COMEDY": _palettes(
        "ffdf4a 26211a ffdf4a 26211a ff5d7d 26211a ffffff", "ff9b71 2a1630 ff9b71 2a1630 ffdd4a 2a1630 fff7ea"
    ),
    "CRIME": _palettes(
        "2c3242 efe6cf 12141b efe6cf d9c58b c2313a 12141b", "3a2a2e f3e2cf 140f12 f3e2cf d98c5f e9c46a 140f12"
    ),
    "DOCUMENTARY": _palettes(
        "ece7dc 1f3a34 ece7dc 1f3a34 2f6f5e d95d39 9bb8ab", "dfe7ee 1d2f4a dfe7ee 1d2f4a 2c5282 e07a3f 9bb0c8"
    ),
    "DRAMA": _palettes(
        "22375a f4ead6 22375a f4ead6 e8613c f4ead6 59748f", "efe4d6 3a1d33 efe4d6 3a1d33 3a1d33 c8553d a98467"
    ),
    "FAMILY": _palettes(
        "c4e6f3 17324d 235c4a fff9e3 ffc53d e76f51 2a7f8f", "ffe3c2 4a2545 4a2545 fff4e2 ff9f1c e05a6d 6d4c8d"
    ),
    "FANTASY": _palettes(
        "2f1d57 f6e7ff 150c2e f6e7ff f4c95d 6f47ab 472a80", "0f3b46 e9f7ee 07222b e9f7ee f7d488 2f7f7a 1a5a60"
    ),
    "HISTORY": _palettes(
        "f1e5cc 57281b f1e5cc 57281b c4683f 57281b dcb681", "dbe2dc 27403b dbe2dc 27403b 7d9a8b 27403b b9c7b8"
    ),
    "HORROR": _palettes(
        "131214 efe8db 131214 efe8db c5161f 29272b efe8db", "2a0a10 f6dfd2 2a0a10 f6dfd2 e0432e 12050a f2d5a7"
    ),
    "MUSIC": _palettes(
        "1e2860 fff1d0 1e2860 fff1d0 f25f5c ffd95a 70c1b3", "f6c945 2a1a3e f6c945 2a1a3e 2a1a3e ef476f 1b8a8f"
    ),
    "MYSTERY": _palettes(
        "0f4c52 f6eedb 0f4c52 f6eedb f7bb46 0a3439 1a6b72", "392a4f f5e9dc 392a4f f5e9dc f2a65a 251a36 59437a"
    ),
    "ROMANCE": _palettes(
        "fad9d3 7a1f3d fad9d3 7a1f3d e0475b f4917f fff3ec", "7c1f3f ffe6dc 7c1f3f ffe6dc f26a6a f7b267 b8466a"
    ),
    "SCIENCE_FICTION": _palettes(
        "111a3a e6f0ff 111a3a e6f0ff ff7b54 5ad1e8 34468a", "23104a f4e9ff 23104a f4e9ff 3ec6c0 ffb347 5a3d96"
    ),
    "THRILLER": _palettes(
        "e2452a 1a0f0d e2452a 1a0f0d 1a0f0d fff3e2 7a1d12", "f2c14e 1b1b22 f2c14e 1b1b22 1b1b22 d7263d 8a6a1d"
    ),
    "WAR": _palettes(
        "b9b58d 1f2118 2b2e20 f3eed6 c8542b 5f6246 e0dab1", "c9b8a3 2a1d18 2f211b f6ead8 a63d2f 6f5647 e5d5bf"
    ),
    "WESTERN": _palettes(
        "f7bb77 5a1f12 5a1f12 ffe9cf fff1d3 dc6b33 9c3a1e", "e98a5b 3f1630 3f1630 ffe6d1 ffd98a b5485a 702a4c"
    ),
}
KNOWN_GENRES = tuple(_PALETTES)


def cover_svg(media_id: str, title: str, genre: str, year: int | None) -> str:
    """A cover in two by three; whatever the texts hold, they are only ever text."""
    dice = Dice(media_id)
    style = _style(genre)
    colours = dice.pick(_PALETTES[style])
    picture = "".join(MOTIFS[style](dice, colours))
    if dice.share() < 0.5:  # noqa: PLR2004 - half of them
        picture = f'<g transform="matrix(-1 0 0 1 {WIDTH} 0)">{picture}</g>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
        f'height="{HEIGHT}" role="img" aria-label="{_attribute(title or "Cover")}">'
        f"{rect(0, 0, WIDTH, HEIGHT, colours.ground)}{picture}"
        f"{rect(0, _FOOT, WIDTH, HEIGHT - _FOOT, colours.foot)}"
        f"{_head(genre, year, colours)}{_title(title, colours, serif=style in _SERIF_GENRES)}</svg>"
    )


def _style(genre: str) -> str:
    """The genre to draw: its own, one that means the same, or always the same one for a name nobody knows."""
    name = "_".join("".join(c if c.isalnum() else " " for c in genre.replace("'", "")).upper().split())
    name = _ALIASES.get(name, name)
    return name if name in _PALETTES else Dice(name).pick(KNOWN_GENRES)


def _head(genre: str, year: int | None, colours: Palette) -> str:
    label = " ".join(genre.replace("_", " ").split()).upper()[:24]
    common = f'y="34" font-family="{_SANS}" font-size="11" font-weight="700" fill="{colours.ink}"'
    shown_year = "" if year is None else str(year)
    return (
        f"{rect(0, 0, WIDTH, 58, colours.ground)}"
        f'<text x="{_MARGIN}" {common} letter-spacing="1.8">{escape(label)}</text>'
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
            f'<tspan x="{_MARGIN}" y="{number(first + place * spacing)}"{fit}>{escape(text)}</tspan>'
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


def _attribute(text: str) -> str:
    return escape(text, {'"': "&quot;"})
