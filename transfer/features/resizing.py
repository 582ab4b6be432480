"""From an image of any size to the square that a network takes."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from transfer.features.kernels import KERNELS

# Pillow's kernels: pixel centres at .5, and where the image shrinks the kernel widens with it, so
# that no detail folds into noise.
_RESAMPLING = {name: Image.Resampling[name.upper()] for name in KERNELS}


@dataclass(frozen=True)
class Square:
    """How an image of any size becomes the input of a network: called with uint8 RGB [H, W, 3], it
    gives uint8 RGB [size, size, 3].

    crop: none (the aspect ratio is not kept: a squash) or centre (the centre square is taken
    first, as wide as the shorter side).
    """

    size: int  # pixels
    kernel: str
    crop: str = "none"

    @property
    def least(self):
        """How short, in pixels, the sides of an image may be decoded (see decoder.decode): twice
        what is asked for, so that the kernel still decides what the square looks like."""
        return 2 * self.size

    def __call__(self, pixels):
        if self.crop == "centre":
            pixels = centre(pixels)
        if pixels.shape[:2] == (self.size, self.size):
            return pixels
        square = Image.fromarray(pixels).resize((self.size, self.size), _RESAMPLING[self.kernel])
        return np.asarray(square)


def centre(pixels):
    """The centre square of [H, W, 3]; an odd margin leaves the larger part below and right."""
    side = min(pixels.shape[:2])
    top, left = ((length - side) // 2 for length in pixels.shape[:2])
    return pixels[top : top + side, left : left + side]
