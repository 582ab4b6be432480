"""Pictures of nothing in the world, for which no photo and no licence is needed: signs in scenes,
things on things, fractals, and textures.  uint8 RGB [SIDE, SIDE, 3], one Generator each."""

import numpy as np
from PIL import Image, ImageDraw
from skimage.transform import resize

from pretrain import faces
from transfer.datasets.rendering import scenes
from transfer.datasets.rendering.sample import Look

SIDE = 80  # pixels
_SIGNS = 0.75  # share of all drawings
_LOOK = Look(size=SIDE, gain=(0.6, 1.25))  # views are dimmed once more
_NOTHING = np.zeros((8, 8, 4), np.float32)  # the face of no sign


def draw(rng):
    """(picture, sign): of a kind that `rng` draws, most of them signs; `sign` is the (face, text)
    of faces.draw that it shows, or None."""
    if rng.random() < _SIGNS:
        face, text = faces.draw(rng)
        return scenes.photograph(_LOOK, face, rng), (face, text)
    return _OTHERS[rng.integers(len(_OTHERS))](rng), None


def _scene(rng):
    return scenes.photograph(_LOOK, _NOTHING, rng)


def _fractal(rng):
    """The points that a few random affine maps, drawn one after another, lead to (Barnsley's chaos
    game; Kataoka et al. 2020, "Pre-training without natural images", train on such pictures)."""
    maps = [_contraction(rng) for _ in range(rng.integers(2, 6))]
    count = 1500
    points = rng.uniform(-1, 1, (count, 2))
    colours = rng.uniform(0.2, 1, (len(maps), 3))
    picture = np.zeros((SIDE, SIDE, 3), np.float32) + rng.uniform(0, 0.6, 3)
    shade = np.zeros((count, 3)) + 0.5
    for turn in range(22):
        chosen = rng.integers(len(maps), size=count)
        for number, (matrix, shift) in enumerate(maps):
            of_this = chosen == number
            points[of_this] = points[of_this] @ matrix.T + shift
            shade[of_this] = (shade[of_this] + colours[number]) / 2
        if turn < 6:
            continue
        if turn == 6:
            middle = np.median(points, 0)
            reach = np.abs(points - middle).max(0) + 1e-6
        places = ((points - middle) / reach * 0.48 + 0.5) * SIDE
        at = np.clip(places, 0, SIDE - 1).astype(int)
        picture[at[:, 1], at[:, 0]] = shade
    return (np.clip(picture, 0, 1) * 255).astype(np.uint8)


def _contraction(rng):
    """(matrix [2, 2], shift [2]) of an affine map that shrinks: singular values of .3 to .9."""
    left, right = (_rotation(rng.uniform(0, 2 * np.pi)) for _ in range(2))
    return left @ np.diag(rng.uniform(0.3, 0.9, 2)) @ right, rng.uniform(-1, 1, 2)


def _rotation(angle):
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def _things(rng):
    """Overlapping ellipses, polygons and lines, large before small, each plain or with a texture:
    dead leaves (Baradad et al. 2021, "Learning to see by looking at noise")."""
    texture = Image.fromarray(_texture(rng))
    picture = Image.fromarray(_texture(rng)) if rng.random() < 0.5 else Image.new(
        "RGB", (SIDE, SIDE), tuple(int(c) for c in rng.integers(256, size=3))
    )  # fmt: skip
    count = rng.integers(4, 40)
    for reach in SIDE * 0.5 * rng.uniform(0.1, 1) / np.arange(1, count + 1) ** 0.5:
        middle = rng.uniform(0, SIDE, 2)
        angles = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(3, 8)))
        corners = middle + faces.ring(angles) * reach
        mask = Image.new("L", (SIDE, SIDE), 0)
        pen = ImageDraw.Draw(mask)
        if rng.random() < 0.5:
            half = reach * rng.uniform(0.3, 1, 2)
            pen.ellipse([*(middle - half), *(middle + half)], fill=255)
        else:
            pen.polygon([tuple(c) for c in corners], fill=255)
        colour = tuple(int(c) for c in rng.integers(256, size=3))
        picture.paste(texture if rng.random() < 0.3 else colour, (0, 0, SIDE, SIDE), mask)
    return np.asarray(picture)


def _texture(rng):
    """Noise of several scales, in colours of its own, or stripes."""
    if rng.random() < 0.3:
        angle, pitch = rng.uniform(0, np.pi), rng.uniform(3, 20)
        rows, columns = np.mgrid[:SIDE, :SIDE]
        wave = np.sin((rows * np.sin(angle) + columns * np.cos(angle)) / pitch * 2 * np.pi)
        value = (np.tanh(wave * rng.uniform(0.5, 5)) + 1)[..., None] / 2
    else:
        rough = rng.uniform(0.4, 1.2)
        value = sum(
            resize(rng.normal(size=(n, n, rng.choice([1, 3]))), (SIDE, SIDE), order=1) / n**rough
            for n in (3, 6, 12, 24, 48)
        )
        value = (value - value.min()) / max(np.ptp(value), 1e-6)
    low, high = rng.uniform(0, 255, (2, 3))
    return (low + (high - low) * value).astype(np.uint8)


_OTHERS = (_scene, _fractal, _things)
