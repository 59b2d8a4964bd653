"""SVG shapes as text, and choices that are random to look at and always the same for one id."""

import hashlib
import math
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

T = TypeVar("T")

WIDTH, HEIGHT = 300, 450
Point = tuple[float, float]


class Palette(NamedTuple):
    """The colours of a cover.

    `ground` is behind the picture and `ink` is written on it; `foot` is behind the title, which is written in
    `title`. `a`, `b` and `c` are for the picture.
    """

    ground: str
    ink: str
    foot: str
    title: str
    a: str
    b: str
    c: str


class Dice:
    """Choices that follow from a seed, on every machine and in every version of Python."""

    def __init__(self, seed: str) -> None:
        self._seed = seed.encode()
        self._thrown = 0

    def share(self) -> float:
        """From 0 up to 1."""
        self._thrown += 1
        digest = hashlib.blake2b(self._seed, digest_size=8, salt=self._thrown.to_bytes(8, "big")).digest()
        return int.from_bytes(digest, "big") / 2**64

    def between(self, least: float, most: float) -> float:
        """Anywhere from `least` up to `most`."""
        return least + self.share() * (most - least)

    def whole(self, least: int, most: int) -> int:
        """A whole number, `most` included."""
        return least + int(self.share() * (most - least + 1))

    def pick(self, choices: Sequence[T]) -> T:
        """One of them."""
        return choices[int(self.share() * len(choices))]


def number(value: float) -> str:
    """A coordinate, as short as it can be."""
    return f"{value:.1f}".removesuffix(".0")


def circle(x: float, y: float, radius: float, fill: str, opacity: float = 1.0) -> str:
    """A disc."""
    return (
        f'<circle cx="{number(x)}" cy="{number(y)}" r="{number(radius)}" fill="{fill}"{_opacity(opacity)}/>'
    )


def ring(x: float, y: float, radius: float, stroke: str, width: float) -> str:
    """A circle's line."""
    return (
        f'<circle cx="{number(x)}" cy="{number(y)}" r="{number(radius)}" fill="none" stroke="{stroke}" '
        f'stroke-width="{number(width)}"/>'
    )


def rect(x: float, y: float, width: float, height: float, fill: str) -> str:
    """A rectangle."""
    return (
        f'<rect x="{number(x)}" y="{number(y)}" width="{number(width)}" height="{number(height)}" '
        f'fill="{fill}"/>'
    )


def polygon(points: Sequence[Point], fill: str, opacity: float = 1.0) -> str:
    """A filled shape with corners."""
    corners = " ".join(f"{number(x)},{number(y)}" for x, y in points)
    return f'<polygon points="{corners}" fill="{fill}"{_opacity(opacity)}/>'


def path(d: str, fill: str, opacity: float = 1.0) -> str:
    """A filled shape with curves."""
    return f'<path d="{d}" fill="{fill}"{_opacity(opacity)}/>'


def line(d: str, stroke: str, width: float) -> str:
    """A line with curves."""
    return f'<path d="{d}" fill="none" stroke="{stroke}" stroke-width="{number(width)}"/>'


def dome(x: float, y: float, radius: float, fill: str, opacity: float = 1.0) -> str:
    """The upper half of a disc, standing on `y`."""
    n = number
    return path(f"M{n(x - radius)} {n(y)}a{n(radius)} {n(radius)} 0 0 1 {n(2 * radius)} 0z", fill, opacity)


def bowl(x: float, y: float, radius: float, fill: str) -> str:
    """The lower half of a disc, hanging from `y`."""
    n = number
    return path(f"M{n(x - radius)} {n(y)}a{n(radius)} {n(radius)} 0 0 0 {n(2 * radius)} 0z", fill)


def arch(x: float, foot: float, half_width: float, height: float, fill: str) -> str:
    """A doorway with a round top, `foot` being where it stands."""
    n = number
    top = foot - height + half_width
    return path(
        f"M{n(x - half_width)} {n(foot)}V{n(top)}a{n(half_width)} {n(half_width)} 0 0 1 {n(2 * half_width)} 0"
        f"V{n(foot)}z",
        fill,
    )


def ridge(dice: Dice, level: float, height: float, steps: int, fill: str) -> str:
    """A mountain range from side to side, down to the lower edge."""
    span = WIDTH / steps
    points: list[Point] = [(0.0, level - dice.between(0, height))]
    for step in range(steps):
        points.append((span * (step + dice.between(0.35, 0.65)), level - dice.between(0.5, 1) * height))
        points.append((span * (step + 1), level - dice.between(0, 0.35) * height))
    return polygon([*points, (WIDTH, HEIGHT), (0, HEIGHT)], fill)


def star(x: float, y: float, radius: float, fill: str) -> str:
    """A star with four points."""
    points = []
    for corner in range(8):
        reach = radius if corner % 2 == 0 else radius * 0.32
        angle = math.pi / 4 * corner
        points.append((x + reach * math.sin(angle), y - reach * math.cos(angle)))
    return polygon(points, fill)


def _opacity(value: float) -> str:
    return "" if value == 1.0 else f' opacity="{value:.2f}"'
