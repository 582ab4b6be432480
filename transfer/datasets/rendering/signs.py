"""The faces of the rendered sample's road signs, drawn as polygons.

Coordinates are x to the right and y down, -1..1 over the face.  Several classes differ in their
inner symbol alone: three speed limits, three blue arrows, two red triangles.
"""

from itertools import pairwise

import numpy as np
from skimage.draw import polygon
from skimage.transform import downscale_local_mean

RED, BLUE, YELLOW = (0.72, 0.07, 0.10), (0.05, 0.25, 0.62), (0.96, 0.76, 0.08)
WHITE, BLACK = (0.95, 0.95, 0.93), (0.07, 0.07, 0.08)
FINE = 4  # drawn at so many times the size, then averaged, for smooth edges


def face(name, side):
    """The sign `name` as float32 [side, side, 4] in 0..1: RGB and the coverage of the face."""
    canvas = np.zeros((side * FINE, side * FINE, 4), np.float32)
    for points, colour in FACES[name]():
        columns, rows = ((np.asarray(points) + 1) / 2 * side * FINE).T
        canvas[polygon(rows, columns, canvas.shape[:2])] = (*colour, 1)
    small = downscale_local_mean(canvas, (FINE, FINE, 1))
    coverage = small[..., 3:]
    small[..., :3] = np.divide(small[..., :3], coverage, where=coverage > 0, out=small[..., :3])
    return small


def _regular(corners, radius, first=0.0, centre=(0, 0)):
    """Corners of a regular polygon; `first`: the first one's angle in turns, clockwise from up."""
    angles = (np.arange(corners) / corners + first) * 2 * np.pi
    return np.stack([np.sin(angles), -np.cos(angles)], axis=1) * radius + centre


def _disk(radius, centre=(0, 0)):
    return _regular(72, radius, centre=centre)


def _stroke(points, width):
    """Polygons of a line through `points` with round joints."""
    points = np.asarray(points, float)
    yield from (_disk(width / 2, point) for point in points)
    for a, b in pairwise(points):
        aside = np.array([a[1] - b[1], b[0] - a[0]]) / max(np.hypot(*(b - a)), 1e-9) * width / 2
        yield np.array([a + aside, b + aside, b - aside, a - aside])


def _arc(centre, radius, start, end, squeeze=1.0):
    """Points of an arc; angles in turns, clockwise from up; `squeeze`: its width to its height."""
    angles = np.linspace(start, end, 24) * 2 * np.pi
    return np.stack([np.sin(angles) * squeeze, -np.cos(angles)], axis=1) * radius + centre


def _arrow(points, width, head):
    """Polygons of a line that ends in an arrow head of the size `head`."""
    tip, along = np.asarray(points[-1]), np.subtract(points[-1], points[-2])
    along = along / np.hypot(*along) * head
    aside = np.array([-along[1], along[0]]) * 0.8
    yield from _stroke(points, width)
    yield np.array([tip + along, tip + aside, tip - aside])


def _paint(colour, *shapes):
    for shape in shapes:
        if isinstance(shape, np.ndarray):
            yield shape, colour
        else:
            yield from ((part, colour) for part in shape)


def _stop():
    yield from _paint(WHITE, _regular(8, 1.0, 1 / 16))
    yield from _paint(RED, _regular(8, 0.92, 1 / 16))
    x = (-0.60, -0.20, 0.20, 0.60)  # centres of S, T, O, P
    s = np.concatenate([_arc((0, -0.14), 0.13, 0.2, -0.5), _arc((0, 0.14), 0.13, 0, 0.7)])
    yield from _paint(
        WHITE,
        _stroke(np.add(s, (x[0], 0)), 0.10),
        _stroke([(x[1] - 0.15, -0.27), (x[1] + 0.15, -0.27)], 0.10),
        _stroke([(x[1], -0.27), (x[1], 0.27)], 0.10),
        _stroke(_arc((x[2], 0), 0.27, 0, 1, 0.55), 0.10),
        _stroke([(x[3] - 0.12, 0.27), (x[3] - 0.12, -0.27), (x[3], -0.27)], 0.10),
        _stroke(_arc((x[3], -0.13), 0.14, 0, 0.5), 0.10),
        _stroke([(x[3], 0.01), (x[3] - 0.12, 0.01)], 0.10),
    )


def _no_entry():
    yield from _paint(WHITE, _disk(1.0))
    yield from _paint(RED, _disk(0.93))
    yield from _paint(WHITE, np.array([(-0.7, -0.2), (0.7, -0.2), (0.7, 0.2), (-0.7, 0.2)]))


def _yield():
    yield from _paint(RED, _regular(3, 1.0, 0.5, (0, -0.2)))
    yield from _paint(WHITE, _regular(3, 0.58, 0.5, (0, -0.2)))


def _priority():
    yield from _paint(WHITE, _regular(4, 1.0))
    yield from _paint(BLACK, _regular(4, 0.74))
    yield from _paint(YELLOW, _regular(4, 0.69))


def _digit(digit, centre):
    if digit == "0":
        points = _arc((0, 0), 0.38, 0, 1, 0.55)
    elif digit == "3":
        top, low = _arc((0, -0.19), 0.19, -0.22, 0.5), _arc((0, 0.19), 0.19, 0, 0.72)
        points = np.concatenate([top, low])
    elif digit == "5":
        corner = [(0.17, -0.38), (-0.15, -0.38), (-0.17, -0.04)]
        points = np.concatenate([corner, _arc((0, 0.14), 0.23, -0.13, 0.72, 0.9)])
    else:
        points = np.concatenate([_arc((0, -0.2), 0.17, 0.5, 1.5), _arc((0, 0.18), 0.21, 0, 1)])
    return _stroke(points + np.asarray(centre), 0.14)


def _speed(digits):
    yield from _paint(RED, _disk(1.0))
    yield from _paint(WHITE, _disk(0.76))
    yield from _paint(BLACK, _digit(digits[0], (-0.29, 0)), _digit(digits[1], (0.29, 0)))


def _blue(*arrows):
    yield from _paint(WHITE, _disk(1.0))
    yield from _paint(BLUE, _disk(0.93))
    yield from _paint(WHITE, *arrows)


def _turn(side):
    bend = _arc((0.32 * side, 0.12), 0.42, -0.25 * side, 0.0)
    points = np.concatenate([[(-0.1 * side, 0.62)], bend, [(0.42 * side, -0.3)]])
    return _blue(_arrow(points, 0.2, 0.36))


def _roundabout():
    return _blue(*(_arrow(_arc((0, 0), 0.5, t, t + 0.2), 0.15, 0.26) for t in (0.0, 1 / 3, 2 / 3)))


def _warning(*shapes):
    yield from _paint(RED, _regular(3, 1.1, 0.0, (0, 0.28)))
    yield from _paint(WHITE, _regular(3, 0.76, 0.0, (0, 0.28)))
    yield from _paint(BLACK, *shapes)


def _crossing():
    return _warning(
        _disk(0.085, (0.02, -0.17)),
        _stroke([(0.0, 0.0), (-0.02, 0.24)], 0.15),
        _stroke([(-0.02, 0.24), (0.13, 0.42), (0.15, 0.56)], 0.09),
        _stroke([(-0.02, 0.24), (-0.1, 0.42), (-0.22, 0.54)], 0.09),
        _stroke([(0.02, 0.0), (0.16, 0.12), (0.24, 0.1)], 0.07),
        _stroke([(0.0, 0.0), (-0.15, 0.1), (-0.17, 0.22)], 0.07),
    )


def _roadworks():
    return _warning(
        _disk(0.085, (-0.02, -0.08)),
        _stroke([(-0.06, 0.06), (-0.2, 0.28)], 0.15),
        _stroke([(-0.2, 0.28), (-0.08, 0.42), (-0.12, 0.58)], 0.09),
        _stroke([(-0.2, 0.28), (-0.3, 0.44), (-0.36, 0.58)], 0.09),
        _stroke([(-0.04, 0.08), (0.06, 0.24)], 0.07),
        _stroke([(-0.06, 0.2), (0.3, 0.46)], 0.06),
        _regular(3, 0.2, 0.0, (0.36, 0.52)),
    )


FACES = {
    "crossing": _crossing,
    "no_entry": _no_entry,
    "priority": _priority,
    "roadworks": _roadworks,
    "roundabout": _roundabout,
    "speed_30": lambda: _speed("30"),
    "speed_50": lambda: _speed("50"),
    "speed_80": lambda: _speed("80"),
    "stop": _stop,
    "turn_left": lambda: _turn(-1),
    "turn_right": lambda: _turn(1),
    "yield": _yield,
}
