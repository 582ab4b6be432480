"""Views: the ways of looking at one square image, each a feature of its own.

A view takes uint8 RGB [S, S, 3] and gives uint8 [S, S, 3], the same bytes each time and everywhere:
its sums are of integers and its roundings are those of IEEE.
"""

import math

import numpy as np

from transfer.features.augmentation import augmented
from transfer.features.rules import LEAST, MEAN, SD, parted

_LEVELS = np.arange(256)


def plain(pixels):
    """The image as it is."""
    return pixels


def flipped(pixels):
    """The image mirrored left to right."""
    return pixels[:, ::-1]


# With m and s the mean and the sd (divided by n, not by n - 1) of the n = 3 S^2 numbers x,
#   y = (x - m) SD / max(s, LEAST) + MEAN
# cut to 0..255 and rounded, half to even.  x has 256 values, so it is worked out for those alone.
def contrast(pixels):
    """The image brought to the mean MEAN and the standard deviation SD, then cut to 0..255 and
    rounded; one that is a single grey gives MEAN, rounded."""
    counts = np.bincount(pixels.reshape(-1), minlength=256)
    n, total = pixels.size, int(counts @ _LEVELS)
    squares = int(counts @ _LEVELS**2)
    sd = math.sqrt(n * squares - total**2) / n  # of whole numbers: exact, whatever the order
    levels = (_LEVELS - total / n) * (SD / max(sd, LEAST)) + MEAN
    table = np.rint(np.clip(levels, 0, 255)).astype(np.uint8)
    # Twice as fast as table[pixels].
    mapped = pixels.tobytes().translate(table.tobytes())
    return np.frombuffer(mapped, np.uint8).reshape(pixels.shape)


VIEWS = {"plain": plain, "contrast": contrast, "flipped": flipped}


def looking(name, flip=False):
    """The view `name`, also an augmented one, as a function of the pixels and the image's sha256
    (32 bytes), which an augmented one alone asks for; flip: whether that may mirror."""
    view, number = parted(name)
    look = VIEWS[view]
    if not number:
        return lambda pixels, _: look(pixels)
    return lambda pixels, sha256: augmented(
        look(pixels), [*np.frombuffer(sha256, "<u4").tolist(), number], flip
    )
