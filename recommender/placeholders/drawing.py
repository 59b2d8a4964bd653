"""Placeholder covers as SVG: the color depends on the genre, the picture on the id."""

import colorsys
import textwrap
from collections.abc import Callable
from hashlib import blake2b
from html import escape
from math import cos, sin
from typing import NamedTuple

from recommender.texts.bidi import without_controls

WIDTH, HEIGHT = 300, 450
# The picture is between the genre line and the title.
_TOP, _FOOT = 58, 338
_MARGIN = 22
_TEXT_WIDTH = WIDTH - 2 * _MARGIN
_TITLE_BASELINE = HEIGHT - 26
# Font sizes, and for how many lines of a title each is used.
_SIZES = ((36, 1), (32, 2), (25, 3), (22, 4), (18, 5))
_FONT = "font-family=\"'Helvetica Neue',Helvetica,Arial,'Liberation Sans',sans-serif\" font-weight=\"700\""
# Widths of characters in font sizes: of most, and of capitals and full-width letters.
_NARROW, _WIDE = 0.66, 0.95
_FULL_WIDTH_FROM = 0x2E80
# Degrees, by the letters of the genre; other genres get a hue from their name.
# fmt: off
HUES = {
    "ACTION": 2, "HORROR": 350, "ROMANCE": 335, "MUSIC": 310, "MUSICAL": 310, "FANTASY": 285, "SCIFI": 262,
    "SCIENCEFICTION": 262, "THRILLER": 238, "SUSPENSE": 238, "CRIME": 222, "NOIR": 222, "FILMNOIR": 222,
    "DRAMA": 208, "MYSTERY": 190, "DOCUMENTARY": 168, "ADVENTURE": 145, "WAR": 80, "ANIMATION": 55,
    "COMEDY": 46, "FAMILY": 36, "CHILDREN": 36, "CHILDRENS": 36, "KIDS": 36, "HISTORY": 28, "WESTERN": 18,
}
# fmt: on


class Palette(NamedTuple):
    """Colors of text (`ink`), background (`ground`) and picture."""

    ground: str
    ink: str
    bright: str
    middle: str
    deep: str


# A number between two bounds, derived from the id.
Roll = Callable[[float, float], float]


def placeholder_svg(item_id: str, title: str, genre: str, year: int | None) -> str:
    """Return a cover of 300 by 450 pixels, the same for the same arguments; all texts are escaped."""
    title, genre = _printable(title), _printable(genre)
    roll = _rolls(item_id)
    colors = palette(_hue(genre), is_dark=roll(0, 1) < 0.6)  # noqa: PLR2004 - three in five
    picture = MOTIFS[int(roll(0, len(MOTIFS)))](roll, colors)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
        f'height="{HEIGHT}" color="{colors.ink}" role="img" aria-label="{escape(title or "Cover")}">'
        f"{_rect(0, 0, WIDTH, HEIGHT, colors.ground)}{picture}{_rect(0, 0, WIDTH, _TOP, colors.ground)}"
        f"{_rect(0, _FOOT, WIDTH, HEIGHT - _FOOT, colors.ground)}{_head(genre, year)}{_title(title)}</svg>"
    )


def palette(hue: float, *, is_dark: bool) -> Palette:
    """Return colors around a hue in degrees; ink and ground have a contrast of at least 4.5 to 1."""

    def color(turn: float, lightness: float, saturation: float) -> str:
        rgb = colorsys.hls_to_rgb((hue + turn) / 360 % 1, lightness, saturation)
        return "#" + "".join(f"{round(255 * channel):02x}" for channel in rgb)

    if is_dark:
        tones = (color(0, 0.16, 0.5), color(0, 0.94, 0.6), color(24, 0.64, 0.8))
        return Palette(*tones, color(-14, 0.46, 0.6), color(0, 0.28, 0.5))
    tones = (color(0, 0.87, 0.6), color(0, 0.16, 0.55), color(-16, 0.56, 0.75))
    return Palette(*tones, color(28, 0.68, 0.65), color(0, 0.38, 0.5))


def _rays(roll: Roll, colors: Palette) -> str:
    x, y, start = roll(-20, 120), roll(300, 340), roll(-0.1, 0.1)
    rays = []
    for ray in range(10):
        turns = (start + ray * 0.3, start + ray * 0.3 + roll(0.08, 0.2))
        corners = " ".join(f"{x + 620 * cos(turn):.0f},{y - 620 * sin(turn):.0f}" for turn in turns)
        rays.append(f'<polygon points="{x:.0f},{y:.0f} {corners}" fill="{colors[2 + ray % 3]}"/>')
    return "".join(rays) + _circle(roll(170, 225), roll(105, 150), roll(30, 46), colors.ink)


def _hills(roll: Roll, colors: Palette) -> str:
    hills = _circle(roll(80, 220), roll(120, 160), roll(42, 66), colors.bright)
    for level, fill in ((230, colors.middle), (275, colors.deep), (315, colors.ground)):
        tops = " ".join(f"{x},{level - roll(-20, 60):.0f}" for x in range(0, WIDTH + 1, 60))
        hills += f'<polygon points="{tops} {WIDTH},{HEIGHT} 0,{HEIGHT}" fill="{fill}"/>'
    return hills


def _rings(roll: Roll, colors: Palette) -> str:
    x, y, step = roll(110, 190), roll(175, 215), roll(13, 18)
    drift = roll(-3, 3)
    fills = (colors.middle, colors.ground, colors.deep, colors.ground)
    rings = (_circle(x + drift * ring, y, (8 - ring) * step, fills[ring % 4]) for ring in range(7))
    return "".join(rings) + _circle(x + drift * 7, y, step, colors.bright)


def _blocks(roll: Roll, colors: Palette) -> str:
    blocks = []
    for y in range(_TOP, _FOOT, 75):
        for x in range(0, WIDTH, 75):
            fill = colors[2 + int(roll(0, 3))]
            shapes = (
                f'<path d="M{x} {y}h75a75 75 0 0 1 -75 75z" fill="{fill}"/>',
                f'<path d="M{x + 75} {y + 75}h-75a75 75 0 0 1 75 -75z" fill="{fill}"/>',
                _circle(x + 37.5, y + 37.5, 24, fill),
                _rect(x, y, 75, 75, fill),
            )
            blocks.append(shapes[int(roll(0, len(shapes)))])
    return "".join(blocks)


MOTIFS = (_rays, _hills, _rings, _blocks)


def _head(genre: str, year: int | None) -> str:
    label = " ".join(genre.replace("_", " ").split()).upper()[:24]
    common = f'y="34" {_FONT} font-size="11" fill="currentColor" unicode-bidi="plaintext"'
    return (
        f'<text x="{_MARGIN}" {common} letter-spacing="1.8">{escape(label)}</text>'
        f'<text x="{WIDTH - _MARGIN}" {common} text-anchor="end">{"" if year is None else year}</text>'
        + _rect(_MARGIN, 45, _TEXT_WIDTH, 1.5, "currentColor")
    )


def _title(title: str) -> str:
    lines, size = _wrapped(title)
    spans = []
    for number, text in enumerate(lines):
        y = _TITLE_BASELINE - size * 1.06 * (len(lines) - 1 - number)
        width = size * sum(_WIDE if c.isupper() or ord(c) >= _FULL_WIDTH_FROM else _NARROW for c in text)
        # Compress what is too wide, instead of cutting it off.
        fit = f' textLength="{_TEXT_WIDTH}" lengthAdjust="spacingAndGlyphs"' if width > _TEXT_WIDTH else ""
        spans.append(f'<tspan x="{_MARGIN}" y="{y:.1f}"{fit} unicode-bidi="plaintext">{escape(text)}</tspan>')
    return f'<text {_FONT} font-size="{size}" fill="currentColor">{"".join(spans)}</text>'


def _wrapped(title: str) -> tuple[list[str], int]:
    """Return the lines of a title, and the largest font size that they fit in."""
    for size, most in _SIZES[:-1]:
        characters = int(_TEXT_WIDTH / size / _NARROW)
        lines = textwrap.wrap(title, characters, break_long_words=False, break_on_hyphens=False)
        if len(lines) <= most and all(len(line) <= characters for line in lines):
            return lines, size
    size, most = _SIZES[-1]
    return textwrap.wrap(title, int(_TEXT_WIDTH / size / _NARROW), max_lines=most, placeholder="…"), size


def _hue(genre: str) -> float:
    letters = "".join(filter(str.isalnum, genre)).upper()
    return HUES.get(letters, _rolls(letters)(0, 360))


def _rolls(seed: str) -> Roll:
    """Return a source of numbers that are the same for the same seed, in every version of Python."""
    numbers = iter(blake2b(seed.encode(errors="replace"), digest_size=64).digest())
    return lambda least, most: least + (most - least) * next(numbers) / 256


def _circle(x: float, y: float, radius: float, fill: str) -> str:
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="{fill}"/>'


def _rect(x: float, y: float, width: float, height: float, fill: str) -> str:
    return f'<rect x="{x}" y="{y}" width="{width}" height="{height}" fill="{fill}"/>'


def _printable(text: str) -> str:
    """Replace characters that XML cannot hold or that only set a direction."""
    return "".join(letter if letter.isprintable() else " " for letter in without_controls(text))
