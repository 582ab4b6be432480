"""No photo that looks like an image of a dataset that `mini` is measured on is trained with.

Looking alike is what the index means by near-duplicates: perceptual hashes of 128 bits that differ
in at most nearness.DISTANCE (transfer.datasets.fingerprints).
"""

import numpy as np

from transfer.datasets import fingerprints, nearness, sources
from transfer.datasets.reading import images, readers
from transfer.downloads import fetching, mirrors

PROTECTED = ("cifar10", "flowers", "traffic")


def fingerprints_of(pictures):
    """uint8 [N, SIZE], the fingerprints of `pictures`, an iterable of uint8 RGB [H, W, 3]."""
    squares = [fingerprints.square(pixels) for pixels in pictures]
    codes = fingerprints.of_squares(squares)
    return np.frombuffer(b"".join(codes), np.uint8).reshape(-1, fingerprints.SIZE)


def brought(folder, datasets):
    """Brings the archives of PROTECTED in the folder `datasets` into `folder`; returns their lines
    for a manifest."""
    lines = []
    for name in PROTECTED:
        (folder / name).mkdir(parents=True, exist_ok=True)
        for file in sources.load(datasets / name).files:
            lines.append(fetching.fetch(file, folder / name, mirrors.find(""), pin=name))
    return lines


def protected(folder, datasets):
    """Yields the pixels of all images that `brought` has brought, of the test parts too."""
    for name in PROTECTED:
        for image in readers.read(sources.load(datasets / name), datasets / name, folder / name):
            yield images.pixels(image)


def near(codes, others):
    """bool [N]: which of fingerprints `codes` [N, SIZE] are near one of `others` [M, SIZE].

    A fingerprint of a picture too plain to have one (VOID) is near none.
    """
    bits = np.unpackbits(others[others.any(axis=1)], axis=1).astype(np.float32)
    found = np.zeros(len(codes), bool)
    for start in range(0, len(codes), 1000):
        mine = np.unpackbits(codes[start : start + 1000], axis=1).astype(np.float32)
        # Bits that differ: those set in one alone.
        differing = mine.sum(1)[:, None] + bits.sum(1)[None, :] - 2 * mine @ bits.T
        found[start : start + 1000] = (differing <= nearness.DISTANCE).any(axis=1)
    return found & codes.any(axis=1)
