"""The pictures of an index, read, decoded and resized one after the other."""

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


def thinned(rows, count):
    """`count` of `rows`, evenly spaced, or all where they are no more."""
    if count >= len(rows):
        return list(rows)
    return [rows[i * len(rows) // count] for i in range(count)]
