"""Fingerprints of pictures by what they look like: copies that were saved anew have nearly one.

The perceptual hash of Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions
(2010), on the 128 lowest frequencies for its 64 (of which too many signs of two classes agree):
signs of the discrete cosine transform of a grey square.  Whole numbers below 2**53 make every sum
exact, so a fingerprint is the same in a batch of any size and on any machine with one Pillow.
"""

import numpy as np
from PIL import Image

SIDE = 32  # pixels of the grey square
BITS = 128
SIZE = BITS // 8  # bytes
VOID = bytes(SIZE)  # of a picture with too little structure to tell it from others
VERSION = "signs of 128 cosines, 1"  # raise the number whenever a fingerprint would change

_SCALE = 1 << 12  # cosines as whole numbers
# A coefficient below one grey level is noise; with fewer than half above it, the noise decides.
_LEVEL = SIDE // 2 * _SCALE**2
_LEAST = BITS // 2
# The lowest frequencies (down, across) but for the mean, by their sum.
_FREQUENCIES = sorted((i + j, i, j) for i in range(16) for j in range(16) if i + j)[:BITS]
_DOWN = np.array([i for _, i, _ in _FREQUENCIES])
_ACROSS = np.array([j for _, _, j in _FREQUENCIES])
_COSINES = np.rint(
    _SCALE * np.cos(np.pi * np.outer(np.arange(16), 2 * np.arange(SIDE) + 1) / (2 * SIDE))
)  # float64 [16, SIDE], whole


def square(pixels):
    """uint8 [SIDE, SIDE], grey 0..255, of a picture uint8 RGB [H, W, 3], its sides forced equal."""
    grey = Image.fromarray(pixels).convert("L")
    return np.asarray(grey.resize((SIDE, SIDE), Image.Resampling.BILINEAR))


def of_squares(squares):
    """A list of N fingerprints, SIZE bytes each, of `squares` uint8 [N, SIDE, SIDE]; VOID where
    fewer than half of the coefficients reach one grey level, as in a flat or a striped picture."""
    squares = np.asarray(squares, np.float64).reshape(-1, SIDE, SIDE)
    found = (_COSINES @ squares @ _COSINES.T)[:, _DOWN, _ACROSS]  # [N, BITS]
    packed = np.packbits(found > 0, axis=1)
    packed[np.count_nonzero(np.abs(found) >= _LEVEL, axis=1) < _LEAST] = 0
    return [row.tobytes() for row in packed]
