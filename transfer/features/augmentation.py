"""Augmented views: a view of an image moved, turned, zoomed and lit a little, as another photo of
the same thing might be.

What is drawn for an image depends on its content and the view's number alone, so it is the same in
every run, in any order and on any number of processes, and can be kept.
"""

import math

import numpy as np
from PIL import Image, ImageFilter

from transfer.features.rules import AUGMENTED

_MARGIN = 0.45  # of the side, mirrored around the image: further no drawn sample reaches
_LEVELS = np.arange(256) / 255


# A point p of the view, in half-widths from the middle, shows the point  A p + s  of the image:
#   A = zoom R(turn) [[aspect, shear], [0, 1 / aspect]]
# with zoom and aspect e to the power of a number drawn evenly between the two signs of its limit,
# turn (radians), shear and both parts of s drawn evenly between the two signs of theirs.
# Of light, a level x in 0..1 becomes  ((x**gamma - m) contrast + m) brightness,  with m the mean of
# the image after gamma, and is cut to 0..1 and rounded.
def augmented(pixels, seed, mirrored):
    """uint8 RGB [S, S, 3] of `pixels`, uint8 RGB [S, S, 3]: one sample of the view that
    rules.AUGMENTED limits.

    seed: a sequence of whole numbers that decides what is drawn; mirrored: whether half of all
    samples are mirrored left to right.
    """
    rng = np.random.default_rng(seed)
    drawn = {
        name: rng.uniform(-limit, limit) for name, limit in AUGMENTED.items() if name != "blur"
    }
    across = rng.uniform(-AUGMENTED["shift"], AUGMENTED["shift"])
    sigma = max(0.0, rng.uniform(-AUGMENTED["blur"], AUGMENTED["blur"]))  # half stay sharp
    matrix = _matrix(drawn)
    if mirrored and rng.random() < 0.5:
        matrix = matrix @ np.diag([-1, 1])
    picture = _warped(pixels, matrix, np.array([across, drawn["shift"]]))
    if sigma:
        picture = picture.filter(ImageFilter.GaussianBlur(sigma))
    return _lit(np.asarray(picture), drawn)


def _matrix(drawn):
    zoom, aspect = math.exp(drawn["zoom"]), math.exp(drawn["aspect"])
    sine, cosine = math.sin(drawn["turn"]), math.cos(drawn["turn"])
    return (
        zoom
        * np.array([[cosine, -sine], [sine, cosine]])
        @ np.array([[aspect, drawn["shear"]], [0, 1 / aspect]])
    )


def _warped(pixels, matrix, shift):
    side = len(pixels)
    margin = round(_MARGIN * side)
    padded = np.pad(pixels, ((margin, margin), (margin, margin), (0, 0)), "symmetric")
    # Pillow asks where the corner of a pixel comes from, and looks half a pixel further itself.
    half = side / 2
    start = half * (shift - matrix.sum(axis=1)) + half + margin
    (a, b), (d, e) = matrix
    return Image.fromarray(padded).transform(
        (side, side),
        Image.Transform.AFFINE,
        (a, b, start[0], d, e, start[1]),
        Image.Resampling.BILINEAR,
    )


def _lit(pixels, drawn):
    counts = np.bincount(pixels.reshape(-1), minlength=256)
    levels = _LEVELS ** math.exp(drawn["gamma"])
    mean = counts @ levels / pixels.size
    levels = ((levels - mean) * math.exp(drawn["contrast"]) + mean) * math.exp(drawn["brightness"])
    table = np.rint(np.clip(levels, 0, 1) * 255).astype(np.uint8)
    return table[pixels]
