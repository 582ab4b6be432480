"""From images to features: reading, decoding, resizing and the network, side by side."""

import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from tqdm import tqdm

from transfer.datasets.reading import images as images_
from transfer.datasets.reading.decoder import Unreadable
from transfer.errors import InputError
from transfer.features.engine import BATCH


def extract(images, members, engine, square):
    """Features float32 [N, D], one row for each of the N `members`, in their order.

    square: resizing.Square, of the engine's input size.

    `images` is an iterator of datasets' Image; those whose member is not wanted are passed over.
    Memory beyond the result stays flat: a few batches are under way at a time.
    """
    row_of = {member: row for row, member in enumerate(members)}
    features = np.empty((len(members), engine.length), np.float32)
    seen = np.zeros(len(members), bool)

    def ready():
        for member, pixels in _squares(images, row_of, square):
            seen[row_of[member]] = True
            yield row_of[member], pixels

    with tqdm(desc="extract", total=len(members), unit="img", disable=None) as bar:
        for count in engine.run(batches(ready(), square.size, BATCH), features):
            bar.update(count)
    assert seen.all(), "the reader did not give every member that it was asked for"
    return features


def _squares(images, wanted, square):
    """(member, uint8 [size, size, 3]) of each wanted image."""

    def look(image):
        try:
            return image.member, square(images_.pixels(image))
        except Unreadable as fault:
            raise InputError(
                f"{image.member} could be read when it was indexed and now can't: {fault}; "
                f"run `dvc repro` again"
            ) from None

    return ahead(look, (image for image in images if image.member in wanted))


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
