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
from transfer.features.resizing import resize


def extract(images, members, engine, size, kernel):
    """Features float32 [N, D], one row for each of the N `members`, in their order.

    `images` is an iterator of datasets' Image; those whose member is not wanted are passed over.
    Memory beyond the result stays flat: a few batches are under way at a time.
    """
    row_of = {member: row for row, member in enumerate(members)}
    features = np.empty((len(members), engine.length), np.float32)
    seen = np.zeros(len(members), bool)

    def ready():
        for member, pixels in _squares(images, row_of, size, kernel):
            seen[row_of[member]] = True
            yield row_of[member], pixels

    with tqdm(desc="extract", total=len(members), unit="img", disable=None) as bar:
        for count in engine.run(_batches(ready(), size), features):
            bar.update(count)
    assert seen.all(), "the reader did not give every member that it was asked for"
    return features


def _squares(images, wanted, size, kernel):
    """(member, uint8 [size, size, 3]) of each wanted image, decoded ahead by a pool of threads."""

    def square(image):
        try:
            return image.member, resize(images_.pixels(image), size, kernel)
        except Unreadable as fault:
            raise InputError(
                f"{image.member} could be read when it was indexed and now can't: {fault}; "
                f"run `dvc repro` again"
            ) from None

    workers = os.cpu_count() or 1
    pending = deque()
    with ThreadPoolExecutor(workers) as pool:
        for image in images:
            if image.member in wanted:
                pending.append(pool.submit(square, image))
            if len(pending) > 2 * BATCH + workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


def _batches(squares, size):
    """(rows, uint8 [BATCH, size, size, 3]); the last batch is padded with zeros."""
    rows, images = [], np.zeros((BATCH, size, size, 3), np.uint8)
    for row, pixels in squares:
        images[len(rows)] = pixels
        rows.append(row)
        if len(rows) == BATCH:
            yield rows, images
            rows, images = [], np.zeros((BATCH, size, size, 3), np.uint8)
    if rows:
        yield rows, images
