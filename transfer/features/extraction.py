"""From images to features: reading, decoding, resizing and the network, side by side."""

import functools
from itertools import chain

import numpy as np
from tqdm import tqdm

from transfer.datasets.reading import images as images_
from transfer.datasets.reading.decoder import Unreadable
from transfer.errors import InputError
from transfer.features.engine import BATCH
from transfer.features.pictures import Members
from transfer.features.streams import ahead, batches
from transfer.features.views import looking


def computing(read, pictures, engine, square, names, flip=False):
    """The `compute` of a supply.Supply of `pictures`, a Pictures.

    read: called with a Members, yields the Images of a dataset that it names; engine, square,
    names, flip: as `computed` takes them.
    """

    def compute(lacking, views_of):
        found = read(Members(pictures, functools.reduce(np.union1d, lacking)))
        placed = ((pictures.place(image.member), image) for image in found)
        asked = ((place, views, image) for place, image in placed if (views := views_of(place)))
        total = sum(map(len, lacking))
        return computed(asked, engine, square, names, pictures.contents, total, flip)

    return compute


def computed(images, engine, square, names=("plain",), digests=None, total=None, flip=False):
    """Yields ([(view, place)], [n, D]) of `images`, (place, views, Image) each, in their
    order, a batch at a time; a few batches are under way, whatever their number.

    engine: a function that gives the Engine, called when the first image is decoded; square:
    resizing.Square; names: of the views, which `views` of an image, a list, knows by their numbers;
    an image is decoded once for all of them; digests: V32 [M], by place, the sha256 of an image as
    it was indexed; None to take images as they are; total: how many features are expected, for the
    display; flip: whether augmented views may mirror.
    Raises InputError for an image that can't be decoded or isn't the one that was indexed.
    """
    filled = batches(_squares(images, square, names, digests, flip), square.size, BATCH)
    first = next(filled, None)
    if first is None:
        return
    with tqdm(desc="extract", total=total, unit="img", disable=None) as bar:
        for keys, features in engine().stream(chain([first], filled)):
            yield keys, features
            bar.update(len(keys))


def squares(read, pictures, places, square):
    """Yields (place, uint8 [S, S, 3]) of the pictures at `places`, ascending, in the order of
    `read`, which is, as `pictures` and `square`, what `computing` takes."""
    images = read(Members(pictures, places))
    asked = ((pictures.place(image.member), (0,), image) for image in images)
    for (_, place), pixels in _squares(asked, square, ("plain",), pictures.contents):
        yield place, pixels


def _squares(images, square, names, digests, flip=False):
    """((view, place), uint8 [size, size, 3]) of each view of each image."""
    look = Looking(square, names, flip)

    def looked(placed):
        place, views, image = placed
        sha256 = None if digests is None else digests[place].tobytes()
        return [((view, place), pixels) for view, pixels in look(image, views, sha256)]

    return chain.from_iterable(ahead(looked, images))


class Looking:
    """From an Image to what the network is shown of it; square, names, flip: as `computed` takes
    them."""

    def __init__(self, square, names, flip):
        self._square = square
        self._looks = [looking(name, flip) for name in names]

    def __call__(self, image, views, sha256=None):
        """[(view, uint8 [size, size, 3])] of those of `views`, by number; sha256: the 32 bytes of
        the image as it was indexed, None to take it as it is.

        Raises InputError for an image that can't be decoded or isn't the one that was indexed.
        """
        found = bytes.fromhex(images_.digest(image))
        if sha256 is not None and found != sha256:
            raise InputError(
                f"{image.member} is not the image that was indexed: the index has the sha256 "
                f"{sha256.hex()[:12]}... and its bytes have another; run `dvc repro` again"
            )
        try:
            pixels = self._square(images_.pixels(image, self._square.least))
        except Unreadable as fault:
            raise InputError(
                f"{image.member} could be read when it was indexed and now can't: {fault}; "
                f"run `dvc repro` again"
            ) from None
        return [(view, self._looks[view](pixels, found)) for view in views]
