"""The pictures of an index, read, decoded and resized one after the other."""

import numpy as np

from transfer.datasets import index, sources
from transfer.datasets.reading import images, readers
from transfer.features.resizing import Square


def of_index(source, raw, rows, card):
    """Yields uint8 RGB [size, size, 3] of each picture of `rows`, an index file's path, as `card`
    wants it and as the stage `extract` makes it, in the order of the archives.

    source: the dataset folder; raw: the folder of its archives.
    """
    wanted = {row.member for row in index.read(rows)}
    square = Square(card.size, card.resize, card.crop)
    for image in readers.read(sources.load(source), source, raw, wanted):
        yield square(images.pixels(image, square.least))


def of_parts(folder, raw, rows, square):
    """{part: (uint8 RGB [N, S, S, 3], labels int64 [N], 0..C-1)} of `rows`, an index file's path.

    folder: the dataset folder; raw: the folder of its archives; square: a resizing.Square.
    """
    wanted = {row.member: row for row in index.read(rows) if row.split in index.PARTS}
    numbers = {label: i for i, label in enumerate(sorted({row.label for row in wanted.values()}))}
    found = {part: ([], []) for part in index.PARTS}
    for image in readers.read(sources.load(folder), folder, raw, set(wanted)):
        row = wanted[image.member]
        pictures, labels = found[row.split]
        pictures.append(square(images.pixels(image, square.least)))
        labels.append(numbers[row.label])
    shape = (-1, square.size, square.size, 3)
    return {
        part: (np.array(pictures, np.uint8).reshape(shape), np.array(labels, np.int64))
        for part, (pictures, labels) in found.items()
    }


def thinned(rows, count):
    """`count` of `rows`, evenly spaced, or all where they are no more."""
    if count >= len(rows):
        return list(rows)
    return [rows[i * len(rows) // count] for i in range(count)]
