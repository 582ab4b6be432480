"""From images to features: reading, decoding, resizing and the network, side by side."""

import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from itertools import chain

import numpy as np
from tqdm import tqdm

from transfer.datasets.reading import images as images_
from transfer.datasets.reading.decoder import Unreadable
from transfer.errors import InputError
from transfer.features.engine import BATCH


def computed(images, engine, square, digests=None, total=None):
    """Yields ([member], float32 [n, D]) of the `images`, in their order, a batch at a time; a few
    batches are under way, whatever their number.

    engine: a function that gives the Engine, called when the first image is decoded; square:
    resizing.Square; digests: {member: hex sha256} as it was indexed, None to take images as they
    are; total: how many are expected, for the display.
    Raises InputError for an image that can't be decoded or isn't the one that was indexed.
    """
    filled = batches(_squares(images, square, digests), square.size, BATCH)
    first = next(filled, None)
    if first is None:
        return
    with tqdm(desc="extract", total=total, unit="img", disable=None) as bar:
        for members, features in engine().stream(chain([first], filled)):
            yield members, features
            bar.update(len(members))


def _squares(images, square, digests):
    """(member, uint8 [size, size, 3]) of each image."""

    def look(image):
        if digests and images_.digest(image) != digests[image.member]:
            raise InputError(
                f"{image.member} is not the image that was indexed: the index has the sha256 "
                f"{digests[image.member][:12]}... and its bytes have another; run `dvc repro` again"
            )
        try:
            return image.member, square(images_.pixels(image))
        except Unreadable as fault:
            raise InputError(
                f"{image.member} could be read when it was indexed and now can't: {fault}; "
                f"run `dvc repro` again"
            ) from None

    return ahead(look, images)


def ahead(look, items):
    """Yields look(item) of each of `items`, in their order, worked out by a pool of threads that
    runs a few batches ahead and no further; a fault of `look` comes in its turn."""
    workers = os.cpu_count() or 1
    pool, pending = ThreadPoolExecutor(workers), deque()
    try:
        for item in items:
            pending.append(pool.submit(look, item))
            if len(pending) > 2 * BATCH + workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:  # after a fault, or when nobody wants the rest
        pool.shutdown(cancel_futures=True)


def batches(squares, size, length):
    """From (row, uint8 [size, size, 3]) to (rows, uint8 [length, size, size, 3]), the batches that
    an Engine takes; the last one is padded with zeros."""
    rows, images = [], np.zeros((length, size, size, 3), np.uint8)
    for row, pixels in squares:
        images[len(rows)] = pixels
        rows.append(row)
        if len(rows) == length:
            yield rows, images
            rows, images = [], np.zeros((length, size, size, 3), np.uint8)
    if rows:
        yield rows, images
