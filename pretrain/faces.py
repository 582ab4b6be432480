"""Faces of signs, most of which no country has: a shape, a rim, and a symbol, number or letter.

Of the classes of the sample (transfer.datasets.rendering.signs) KNOWN alone are drawn too; the
others are never rendered here, nor is a number that one of them shows.
"""

from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from transfer.datasets.rendering import signs

KNOWN = ("no_entry", "priority", "turn_left", "turn_right", "yield")
NEVER = tuple(name for name in signs.FACES if name not in KNOWN)
SIDE = 128  # pixels of a face
COLOURS = (
    (184, 18, 26),
    (13, 64, 158),
    (245, 194, 20),
    (242, 242, 237),
    (18, 18, 20),
    (20, 110, 60),
    (230, 120, 20),
    (120, 120, 125),
)
_FINE = 2
_WHOLE = SIDE * _FINE
_NUMBERS = [str(n) for n in (*range(1, 100), *range(100, 130, 5)) if n not in (30, 50, 80)]
_LETTERS = list("ABCDEFGHIJKLMNPQRSTUVWXYZ?!&#%+=")  # one at a time: never the word STOP
SIGNS = ["", *"0123456789", *_LETTERS]  # what may be written at a place of a text
PLACES = 3  # of the longest text


def draw(rng):
    """(face, text) drawn by the Generator `rng`: float32 [SIDE, SIDE, 4] in 0..1, RGB and coverage,
    and what is written on it, '' where nothing is."""
    if rng.random() < 0.1:
        return _known(KNOWN[rng.integers(len(KNOWN))]), ""
    picture = Image.new("RGBA", (_WHOLE, _WHOLE), (0, 0, 0, 0))
    pen = ImageDraw.Draw(picture)
    rim, field, ink = (COLOURS[i] for i in rng.permutation(len(COLOURS))[:3])
    outline = _outline(rng)
    pen.polygon(_places(outline), fill=rim)
    if rng.random() < 0.75:
        inner = rng.uniform(0.6, 0.95)
        pen.polygon(_places(outline * inner), fill=field)
    text = _SYMBOLS[rng.choice(len(_SYMBOLS), p=[0.45, 0.2, 0.35])](pen, ink, rng) or ""
    small = picture.resize((SIDE, SIDE), Image.Resampling.BOX)
    face = np.asarray(small, np.float32) / 255
    face[..., 3] *= np.asarray(_mask(outline), np.float32) / 255  # no symbol beyond the rim
    return face, text


def spelt(text):
    """int8 [PLACES], the number in SIGNS of what is written at each place of `text`."""
    return np.array([SIGNS.index(sign) for sign in [*text, "", "", ""][:PLACES]], np.int8)


@cache
def _known(name):
    return signs.face(name, SIDE)


def ring(angles):
    """[n, 2], x and y (down) on the circle of radius 1, `angles` [n] clockwise from its top."""
    return np.stack([np.sin(angles), -np.cos(angles)], axis=1)


def _mask(outline):
    whole = Image.new("L", (_WHOLE, _WHOLE), 0)
    ImageDraw.Draw(whole).polygon(_places(outline), fill=255)
    return whole.resize((SIDE, SIDE), Image.Resampling.BOX)


def _places(points):
    """[(x, y)] in pixels of `points` [n, 2] in -1..1."""
    return [tuple(point) for point in (points + 1) / 2 * (_WHOLE - 1)]


def _outline(rng):
    """Corners [n, 2] of a disk, a regular polygon or a rectangle."""
    corners, first = ((60, 0), (3, 0), (3, 0.5), (4, 0), (4, 0.125), (6, 0), (8, 1 / 16), (5, 0))[
        rng.choice(8, p=[0.4, 0.15, 0.08, 0.1, 0.1, 0.05, 0.07, 0.05])
    ]
    points = ring((np.arange(corners) / corners + first) * 2 * np.pi)
    return points * np.exp(rng.uniform(-0.25, 0, 2)) if corners == 4 else points


def _text(pen, ink, rng):
    """Writes a number or a letter; returns it."""
    words = _NUMBERS if rng.random() < 0.75 else _LETTERS
    word = words[rng.integers(len(words))]
    font = _font(int(_WHOLE * rng.uniform(0.45, 0.8) / max(1, len(word) * 0.55)))
    pen.text((_WHOLE / 2, _WHOLE / 2), word, fill=ink, font=font, anchor="mm",
             stroke_width=int(rng.integers(1, 9)), stroke_fill=ink)  # fmt: skip
    return word


@cache
def _font(size):
    return ImageFont.load_default(size)


def _arrow(pen, ink, rng):
    """A bent arrow, one only: three in a ring are a class that is never drawn."""
    points = np.cumsum(rng.uniform(-0.6, 0.6, (rng.integers(2, 5), 2)), axis=0)
    points -= points.mean(axis=0)
    points *= 0.45 / max(np.abs(points).max(), 0.2)
    width = int(_WHOLE * rng.uniform(0.05, 0.13))
    places = _places(points)
    pen.line(places, fill=ink, width=width, joint="curve")
    tip, before = np.asarray(places[-1]), np.asarray(places[-2])
    along = (tip - before) / max(np.hypot(*(tip - before)), 1e-6) * width * rng.uniform(1.2, 2)
    aside = along[::-1] * (-1, 1)
    pen.polygon([tuple(tip + along * 1.2), tuple(tip + aside), tuple(tip - aside)], fill=ink)


def _figure(pen, ink, rng):
    """Some strokes, disks, arcs and polygons, mirrored or not: a symbol of nothing."""
    mirrored = rng.random() < 0.4
    for _ in range(rng.integers(1, 6)):
        middle, reach = rng.uniform(-0.4, 0.4, 2), rng.uniform(0.08, 0.35)
        kind = rng.integers(4)
        angles = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(3, 7)))
        star = ring(angles) * rng.uniform(0.4, 1, (len(angles), 1))
        for sign in (1, -1) if mirrored else (1,):
            points = (middle + star * reach) * (sign, 1)
            if kind == 0:
                pen.polygon(_places(points), fill=ink)
            elif kind == 1:
                pen.line(_places(points), fill=ink, width=int(reach * _WHOLE / 4) + 2)
            else:
                low, high = _places(
                    np.stack([middle * (sign, 1) - reach, middle * (sign, 1) + reach])
                )
                if kind == 2:
                    pen.ellipse([*low, *high], fill=ink)
                else:
                    start = rng.uniform(0, 360)
                    pen.arc([*low, *high], start, start + rng.uniform(60, 300), fill=ink,
                            width=int(reach * _WHOLE / 4) + 2)  # fmt: skip


_SYMBOLS = (_text, _arrow, _figure)
