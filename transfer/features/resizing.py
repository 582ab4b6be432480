"""From an image of any size to the square that a network takes."""

import numpy as np
from PIL import Image

# Pillow's kernels: pixel centres at .5, and where the image shrinks the kernel widens with it, so
# that no detail folds into noise.
KERNELS = {
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
    "nearest": Image.Resampling.NEAREST,
}


def resize(pixels, size, kernel):
    """uint8 RGB [H, W, 3] -> uint8 RGB [size, size, 3]; the aspect ratio is not kept (a squash)."""
    if pixels.shape[:2] == (size, size):
        return pixels
    return np.asarray(Image.fromarray(pixels).resize((size, size), KERNELS[kernel]))
