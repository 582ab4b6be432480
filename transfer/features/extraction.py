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
from transfer.features.pictures import Members


def computing(read, pictures, engine, square):
    """The `compute` of a supply.Supply of `pictures`, a Pictures.

    read: called with a Members, yields the Images of a dataset that it names; engine, square: as
    `computed` takes them.
    """

    def compute(lacking, is_mine):
        found = read(Members(pictures, lacking))
        placed = ((pictures.place(image.member), image) for image in found)
        mine = ((place, image) for place, image in placed if is_mine(place))
        return computed(mine, engine, square, pictures.contents, len(lacking))

    return compute


def computed(images, engine, square, digests=None, total=None):
    """Yields ([place], float32 [n, D]) of `images`, (place, Image) each, in their order, a batch at
    a time; a few batches are under way, whatever their number.

    engine: a function that gives the Engine, called when the first image is decoded; square:
    resizing.Square; digests: V32 [M], by place, the sha256 of an image as it was indexed;
    None to take images as they are; total: how many are expected, for the display.
    Raises InputError for an image that can't be decoded or isn't the one that was indexed.
    """
    filled = batches(_squares(images, square, digests), square.size, BATCH)
    first = next(filled, None)
    if first is None:
        return
    with tqdm(desc="extract", total=total, unit="img", disable=None) as bar:
        for places, features in engine().stream(chain([first], filled)):
            yield places, features
            bar.update(len(places))


def _squares(images, square, digests):
    """(place, uint8 [size, size, 3]) of each image."""

    def look(placed):
        place, image = placed
        indexed = None if digests is None else digests[place].tobytes().hex()
        if indexed and images_.digest(image) != indexed:
            raise InputError(
                f"{image.member} is not the image that was indexed: the index has the sha256 "
                f"{indexed[:12]}... and its bytes have another; run `dvc repro` again"
            )
        try:
            return place, square(images_.pixels(image, square.least))
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
    """From (place, uint8 [size, size, 3]) to (places, uint8 [length, size, size, 3]), the batches
    that an Engine takes; the last one is padded with zeros."""
    places, images = [], np.zeros((length, size, size, 3), np.uint8)
    for place, pixels in squares:
        images[len(places)] = pixels
        places.append(place)
        if len(places) == length:
            yield places, images
            places, images = [], np.zeros((length, size, size, 3), np.uint8)
    if places:
        yield places, images
