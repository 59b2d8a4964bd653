"""The pictures on drawn covers: flat shapes in few colours, one composition a genre, varied by the id.

Each takes the dice and the palette and returns shapes; the lower third belongs to the title.
"""

import math
from collections.abc import Callable, Mapping, Sequence

from recommender.covers.shapes import (
    HEIGHT,
    WIDTH,
    Dice,
    Palette,
    arch,
    bowl,
    circle,
    dome,
    line,
    number,
    path,
    polygon,
    rect,
    ridge,
    ring,
    star,
)

Motif = Callable[[Dice, Palette], list[str]]


def speed(dice: Dice, colours: Palette) -> list[str]:
    """Rays out of a corner, and something that is gone already."""
    x, y = dice.between(-20, 60), dice.between(300, 340)
    shapes = []
    angle = dice.between(-0.04, 0.06)
    fills = (colours.a, colours.b, colours.a, colours.c)
    for ray in range(12):
        wide = dice.between(0.05, 0.11)
        far = [(x + 620 * math.cos(-turn), y + 620 * math.sin(-turn)) for turn in (angle, angle + wide)]
        shapes.append(polygon([(x, y), *far], fills[ray % 4]))
        angle += wide + dice.between(0.05, 0.1)
    return [
        *shapes,
        circle(dice.between(190, 225), dice.between(105, 140), dice.between(34, 46), colours.ink),
    ]


def summits(dice: Dice, colours: Palette) -> list[str]:
    """A low sun behind ranges that get darker as they come nearer."""
    return [
        circle(dice.between(90, 210), dice.between(120, 150), dice.between(46, 62), colours.a),
        ridge(dice, 235, 110, 3, colours.b),
        ridge(dice, 285, 80, 4, colours.c),
        ridge(dice, 325, 45, 3, colours.foot),
    ]


def blocks(dice: Dice, colours: Palette) -> list[str]:
    """A box of bricks: quarter circles, domes and dots on a grid."""
    size = 75
    pairs = (
        (colours.a, colours.c),
        (colours.b, colours.ink),
        (colours.c, colours.a),
        (colours.ink, colours.b),
    )
    shapes = []
    for place in range(12):
        row, column = divmod(place, 4)
        x, y = column * size, 62 + row * size
        fill, other = dice.pick(pairs)
        bricks = (
            path(f"M{x} {y}h{size}a{size} {size} 0 0 1 -{size} {size}z", fill),
            path(f"M{x + size} {y + size}h-{size}a{size} {size} 0 0 1 {size} -{size}z", fill),
            dome(x + size / 2, y + size, size / 2, fill),
            circle(x + size / 2, y + size / 2, size / 2 - 14, fill),
            polygon([(x, y), (x + size, y), (x, y + size)], fill),
        )
        shapes += [rect(x, y, size, size, other), dice.pick(bricks)]
    return shapes


def grin(dice: Dice, colours: Palette) -> list[str]:
    """A grin that fills the page."""
    y = dice.between(165, 185)
    radius = dice.between(92, 108)
    eyes = dice.between(42, 52)
    left, right = dice.pick(((13.0, 13.0), (17.0, 11.0), (11.0, 17.0)))
    mouth = bowl(150, y, radius, colours.b)
    inside = circle(150 + dice.between(-26, 26), y + radius, radius * 0.5, colours.a)
    teeth = rect(150 - radius, y, 2 * radius, 17, colours.c)
    return [
        f'{mouth}<clipPath id="grin">{mouth}</clipPath><g clip-path="url(#grin)">{inside}{teeth}</g>',
        circle(150 - eyes, y - 58, left, colours.b),
        circle(150 + eyes, y - 58, right, colours.b),
    ]


def blinds(dice: Dice, colours: Palette) -> list[str]:
    """Light through a blind, and somebody in it."""
    lean = dice.between(18, 42)
    shapes = []
    for bar in range(8):
        y = 62 + bar * 31
        shapes.append(polygon([(0, y + lean), (300, y), (300, y + 15), (0, y + 15 + lean)], colours.a))
    x = dice.between(105, 195)
    shapes += [
        path(f"M{number(x - 78)} 330c4-74 40-92 78-92s74 18 78 92z", colours.c),
        circle(x, 205, 37, colours.c),
        rect(x - 62, 181, 124, 9, colours.c),
        path(f"M{number(x - 37)} 184c2-40 12-48 37-48s35 8 37 48z", colours.c),
        rect(x - 37, 171, 74, 8, colours.b),
    ]
    return shapes


def halftone(dice: Dice, colours: Palette) -> list[str]:
    """A world seen through a screen: dots that grow towards something out of sight."""
    x, y = dice.between(70, 230), dice.between(120, 240)
    shapes = []
    for row in range(13):
        for column in range(14):
            px, py = 20 + column * 20, 68 + row * 20
            away = math.hypot(px - x, py - y)
            radius = 10.2 * math.exp(-((away / 118) ** 2)) + 1.1
            shapes.append(circle(px, py, radius, colours.a))
    return [*shapes, circle(x, y, dice.between(24, 30), colours.b)]


def two_halves(dice: Dice, colours: Palette) -> list[str]:
    """Two of a kind who do not quite meet."""
    apart = dice.between(10, 46)
    radius = dice.between(84, 98)
    y = dice.between(180, 195)
    n = number
    left = f"M150 {n(y - apart - radius)}a{n(radius)} {n(radius)} 0 0 0 0 {n(2 * radius)}z"
    right = f"M150 {n(y + apart - radius)}a{n(radius)} {n(radius)} 0 0 1 0 {n(2 * radius)}z"
    return [
        path(left, colours.a),
        path(right, colours.b),
        circle(150 - radius * 0.42, y - apart, radius * 0.17, colours.ground),
        circle(150 + radius * 0.42, y + apart, radius * 0.17, colours.ground),
    ]


def street(dice: Dice, colours: Palette) -> list[str]:
    """A row of houses, one with the light on."""
    shapes = [circle(dice.between(60, 240), dice.between(100, 118), 34, colours.a)]
    lit = dice.whole(0, 3)
    for house in range(4):
        x, height = house * 75, dice.between(96, 150)
        top = 330 - height
        wall, roof = (colours.b, colours.c) if house % 2 else (colours.c, colours.b)
        shapes += [
            rect(x, top, 75, height + 20, wall),
            polygon([(x, top), (x + 37.5, top - dice.between(30, 56)), (x + 75, top)], roof),
            rect(x + 26, top + 24, 23, 28, colours.a if house == lit else colours.ground),
        ]
    return shapes


def spires(dice: Dice, colours: Palette) -> list[str]:
    """A moon over towers that nobody built."""
    x = dice.between(100, 200)
    shapes = [circle(x, 150, dice.between(66, 80), colours.a)]
    shapes += [
        star(dice.between(16, 284), dice.between(66, 200), dice.between(2.5, 6.5), colours.ink)
        for _ in range(9)
    ]
    for tower in range(7):
        px = 22 + tower * 43 + dice.between(-8, 8)
        half = dice.between(10, 17)
        top = dice.between(175, 262)
        fill = colours.b if tower % 2 else colours.c
        shapes += [
            rect(px - half, top, 2 * half, 200, fill),
            polygon([(px - half - 5, top), (px, top - dice.between(42, 70)), (px + half + 5, top)], fill),
        ]
    return [*shapes, ridge(dice, 332, 34, 3, colours.foot)]


def arcade(dice: Dice, colours: Palette) -> list[str]:
    """Storeys of arches, as they have stood for ages."""
    shapes = []
    for storey, count in enumerate((dice.whole(2, 3), dice.whole(3, 4), dice.whole(4, 6))):
        foot = 320 - storey * 92
        span = WIDTH / count
        shapes.append(rect(0, foot - 84, WIDTH, 84, colours.a if storey % 2 == 0 else colours.c))
        for place in range(count):
            x = span * (place + 0.5)
            shapes.append(arch(x, foot, span * 0.34, 66, colours.b))
            shapes.append(arch(x + span * 0.08, foot, span * 0.26, 58, colours.ground))
    return shapes


def stare(dice: Dice, colours: Palette) -> list[str]:
    """An eye between trees."""
    y = dice.between(165, 195)
    look = dice.between(-20, 20)
    shapes = [
        path(f"M22 {number(y)}q128 -124 256 0q-128 124 -256 0z", colours.c),
        circle(150 + look, y, 57, colours.a),
        circle(150 + look, y, 24, colours.ground),
        circle(150 + look + 17, y - 19, 8, colours.c),
    ]
    for tree in range(9):
        x = -6 + tree * 38 + dice.between(-9, 9)
        wide = dice.between(4, 10)
        shapes.append(
            polygon([(x, 0), (x + wide * 0.5, 0), (x + wide * 1.5, 450), (x - wide, 450)], colours.b)
        )
    return shapes


def record(dice: Dice, colours: Palette) -> list[str]:
    """A record, and what it sounds like."""
    x, y = dice.between(112, 188), 176
    shapes = [circle(x, y, 112, colours.a)]
    shapes += [ring(x, y, radius, colours.ground, 1.6) for radius in range(58, 110, 9)]
    shapes += [circle(x, y, 40, colours.b), circle(x, y, 7, colours.ground)]
    for bar in range(15):
        height = dice.between(8, 30 + 46 * math.sin(math.pi * (bar + 0.5) / 15))
        shapes.append(rect(24 + bar * 17, 322 - height, 11, height, colours.c))
    return shapes


def doorways(dice: Dice, colours: Palette) -> list[str]:
    """Door behind door, and light in the last one."""
    x = dice.between(120, 180)
    shapes = []
    fills = (colours.c, colours.b, colours.c, colours.b)
    for depth, fill in enumerate(fills):
        size = 1 - depth * 0.2
        shift = (150 - x) * (1 - size) * 0.9
        shapes.append(rect(150 - 118 * size - shift, 330 - 262 * size, 236 * size, 262 * size, fill))
    light = 150 - (150 - x) * 0.75
    return [
        *shapes,
        polygon([(light - 15, 330), (light + 15, 330), (light + 96, 450), (light - 64, 450)], colours.c),
        rect(light - 15, 258, 30, 72, colours.a),
        circle(light, 270, 7, colours.b),
        rect(light - 2.5, 274, 5, 56, colours.b),
    ]


def embrace(dice: Dice, colours: Palette) -> list[str]:
    """Two suns going down together."""
    apart = dice.between(30, 48)
    y = dice.between(150, 175)
    radius = dice.between(72, 82)
    rise = dice.between(-16, 16)
    shapes = [
        circle(150 - apart, y + rise, radius, colours.a),
        circle(150 + apart, y - rise, radius, colours.b, 0.86),
    ]
    for wave in range(4):
        level = 262 + wave * 20
        d = f"M-20 {level}" + "q20 -13 40 0t40 0t40 0t40 0t40 0t40 0t40 0t40 0t40 0"
        shapes.append(line(d, colours.c if wave % 2 else colours.ink, 5))
    return shapes


def orbits(dice: Dice, colours: Palette) -> list[str]:
    """A planet with a ring, and moons on their way."""
    x, y = dice.between(125, 175), dice.between(175, 195)
    radius = dice.between(62, 78)
    shapes = [
        circle(dice.between(6, 294), dice.between(58, 330), dice.between(0.7, 1.9), colours.ink)
        for _ in range(34)
    ]
    for far in (1.55, 2.05, 2.6):
        reach = radius * far
        angle = dice.between(0, 2 * math.pi)
        shapes.append(ring(x, y, reach, colours.c, 1.4))
        shapes.append(
            circle(x + reach * math.cos(angle), y + reach * math.sin(angle), dice.between(5, 10), colours.b)
        )
    tilt = dice.between(-28, -12)
    n = number
    belt = f"M{n(x - radius * 1.62)} {n(y)}a{n(radius * 1.62)} {n(radius * 0.4)} 0 0 0 {n(radius * 3.24)} 0"
    shade = f"M{n(x)} {n(y - radius)}a{n(radius)} {n(radius)} 0 0 1 0 {n(2 * radius)}"
    shade += f"a{n(radius * 1.5)} {n(radius * 1.5)} 0 0 0 0 {n(-2 * radius)}z"
    return [
        *shapes,
        circle(x, y, radius, colours.a),
        path(shade, colours.ground, 0.28),
        f'<g transform="rotate({n(tilt)} {n(x)} {n(y)})">{line(belt, colours.b, 7)}</g>',
    ]


def vertigo(dice: Dice, colours: Palette) -> list[str]:
    """Rings that draw the eye down, and somebody at the brink."""
    x, y = dice.between(125, 175), 185
    drift_x, drift_y = dice.between(-3.2, 3.2), dice.between(-2.5, 2.5)
    shapes = []
    for turn in range(11):
        fill = colours.a if turn % 2 == 0 else colours.ground
        shapes.append(circle(x + drift_x * turn, y + drift_y * turn, 128 - turn * 11.6, fill))
    fx, fy = x + drift_x * 10, y + drift_y * 10
    return [
        *shapes,
        circle(fx, fy - 15, 5.5, colours.b),
        polygon([(fx - 6, fy - 8), (fx + 6, fy - 8), (fx + 3, fy + 17), (fx - 3, fy + 17)], colours.b),
    ]


def ranks(dice: Dice, colours: Palette) -> list[str]:
    """Ranks under a low sun, one of them out of step."""
    shapes = [circle(dice.between(80, 220), 165, dice.between(66, 84), colours.a)]
    odd = dice.whole(6, 13)
    for place in range(18):
        row, column = divmod(place, 6)
        x, y = 25 + column * 50 + (row % 2) * 12 - 6, 212 + row * 44
        fill = colours.ink if place == odd else colours.b
        shapes.append(polygon([(x - 21, y + 30), (x, y - 14), (x + 21, y + 30), (x, y + 14)], fill))
    return [*shapes, rect(0, 338, WIDTH, HEIGHT - 338, colours.foot)]


def mesas(dice: Dice, colours: Palette) -> list[str]:
    """A striped sun over table mountains."""
    x, y = dice.between(100, 200), dice.between(165, 180)
    radius = dice.between(84, 98)
    shapes = [circle(x, y, radius, colours.a)]
    shapes += [rect(0, y + 4 + stripe * 17, WIDTH, 2.5 + stripe * 1.9, colours.ground) for stripe in range(5)]
    for level, fill in ((268, colours.b), (302, colours.c)):
        left = dice.between(-30, 120)
        wide = dice.between(80, 150)
        top = level - dice.between(44, 72)
        shapes += [
            rect(0, level, WIDTH, HEIGHT - level, fill),
            polygon([(left - 22, level), (left, top), (left + wide, top), (left + wide + 26, level)], fill),
        ]
    return [*shapes, ridge(dice, 334, 16, 2, colours.foot)]


# A genre's own picture stands first and is the most common; the others suit it too.
MOTIFS: Mapping[str, Sequence[Motif]] = {
    "ACTION": (speed, vertigo, ranks),
    "ADVENTURE": (summits, mesas, orbits),
    "ANIMATION": (blocks, street, grin),
    "COMEDY": (grin, blocks, embrace),
    "CRIME": (blinds, doorways, vertigo),
    "DOCUMENTARY": (halftone, arcade, summits),
    "DRAMA": (two_halves, embrace, doorways),
    "FAMILY": (street, summits, blocks),
    "FANTASY": (spires, summits, orbits),
    "HISTORY": (arcade, ranks, two_halves),
    "HORROR": (stare, blinds, vertigo),
    "MUSIC": (record, halftone, two_halves),
    "MYSTERY": (doorways, stare, spires),
    "ROMANCE": (embrace, two_halves, mesas),
    "SCIENCE_FICTION": (orbits, halftone, vertigo),
    "THRILLER": (vertigo, blinds, stare),
    "WAR": (ranks, summits, speed),
    "WESTERN": (mesas, summits, blinds),
}
