"""CIFAR-10's own archive: five training batches and a test batch, pickled by Python 2.

A batch holds `data` uint8 [n, 3072], rows of 3 channels x 32 rows x 32 columns, and `labels`, a
list of n numbers 0..C-1; `batches.meta` holds `label_names`, a list of C names.
"""

from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np

from transfer.datasets.reading import archives, images, pieces
from transfer.datasets.reading.images import Image
from transfer.datasets.reading.pieces import Piece
from transfer.errors import InputError
from transfer.pickles.reader import load

META = "batches.meta"
PARTS = {**{f"data_batch_{i}": "train" for i in range(1, 6)}, "test_batch": "test"}
SIDE = 32  # pixels


def read(source, folder, raw, members=None, located=False):
    """Yields an Image a row, batch by batch in the archive's order (see readers.read); every batch
    is read, whatever is wanted."""
    if len(source.archives) != 1:
        raise InputError(
            f"dataset {source.name}: the layout cifar10 is of one archive, not several"
        )
    path = Path(raw) / source.archives[0]
    names = _label_names(path)
    seen = set()

    def wanted(member):
        name = PurePosixPath(member).name
        seen.add(name)
        return name in PARTS

    at = dict(archives.located(path, wanted)) if located else {}
    for member, data in archives.stream(path, wanted):
        name = PurePosixPath(member).name
        pixels, labels = _batch(f"{path}: {member}", data, len(names))
        row_of = _pieces(at.get(member), data, pixels)
        for row in range(len(labels)):
            place = f"{member}:{row}"
            if members is None or place in members:
                image = row_of(row) if row_of else pixels[row].transpose(1, 2, 0)  # [H, W, 3]
                if not row_of:
                    image = np.ascontiguousarray(image)
                yield Image(f"{name}/{row:05d}", place, names[labels[row]], PARTS[name], "", image)
    if not seen.issuperset(PARTS):
        lacking = ", ".join(sorted(set(PARTS) - seen))
        raise InputError(f"{path} lacks {lacking}; fetch the whole archive anew")


def _pieces(batch, data, pixels):
    """A function that gives the Piece of a row of `pixels`, which lie in the bytes `data` of the
    Piece `batch`; None where they have none."""
    start = images.start_in(pixels, data) if isinstance(batch, Piece) else None
    if start is None or batch.packing == pieces.DEFLATED:
        return None
    size = pixels[0].nbytes

    def row(number):
        begin = batch.start + start + number * size
        return replace(
            batch, start=begin, length=size, size=size, shape=(SIDE, SIDE, 3), planes=True
        )

    return row


def _label_names(path):
    """Names of the C classes; `batches.meta` may come after the batches, so this is a pass of its
    own, which ends where it is found."""
    for member, data in archives.stream(path, lambda name: PurePosixPath(name).name == META):
        (names,) = _of(f"{path}: {member}", data, "label_names")
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise InputError(f"{path}: {member} needs label_names, a list of names")
        return names
    raise InputError(f"{path} lacks {META}; fetch the whole archive anew")


def _batch(place, data, classes):
    """(uint8 [n, 3, 32, 32], list of n labels) of a pickled batch."""
    pixels, labels = _of(place, data, "data", "labels")
    row = 3 * SIDE * SIDE
    if (
        not isinstance(pixels, np.ndarray)
        or pixels.dtype != np.uint8
        or pixels.ndim != 2
        or pixels.shape[1] != row
    ):
        kind = f"{getattr(pixels, 'dtype', type(pixels).__name__)} {getattr(pixels, 'shape', '')}"
        raise InputError(f"{place} needs data uint8 [n, {row}]; received {kind}")
    if not isinstance(labels, list) or len(labels) != len(pixels):
        raise InputError(f"{place} needs a list of {len(pixels)} labels, one a row of data")
    if not all(isinstance(label, int) and 0 <= label < classes for label in labels):
        raise InputError(f"{place} has a label that is not a number from 0 to {classes - 1}")
    return pixels.reshape(-1, 3, SIDE, SIDE), labels


def _of(place, data, *keys):
    tree = load(data, place)
    if not isinstance(tree, dict) or not all(key in tree for key in keys):
        raise InputError(f"{place} needs a dict with {' and '.join(keys)}")
    return [tree[key] for key in keys]
