"""Images that lie as one array in a pickle: the course's `train.p`, or any of that form.

The pickle holds a dict with `features` uint8 [N, H, W, 3], RGB, values 0..255, and `labels`, the
N class numbers, as an integer array or a list.  Other keys are passed over: the course's file has
`sizes` and `coords`, of the images before they were resized.  The file is mapped and its rows are
views of it, as its labels are, so a large one costs no memory.
"""

from pathlib import Path, PurePosixPath

import numpy as np

from transfer.datasets.reading import images
from transfer.datasets.reading.images import Image
from transfer.datasets.reading.pieces import Piece
from transfer.errors import InputError
from transfer.pickles import reader


def read(source, folder, raw, members=None, located=False):
    """Yields an Image a row, file by file, row by row (see readers.read).

    A member is `train.p:42`, the id of that row `train/00042`.
    """
    for name in source.archives:
        path, stem = Path(raw) / name, PurePosixPath(name).stem
        features, labels, start = _arrays(path)
        for row, number in enumerate(labels):
            member = f"{name}:{row}"
            if members is None or member in members:
                label = source.label(int(number), f"{path}, row {row}")
                pixels = np.ascontiguousarray(features[row])  # [H, W, 3], a view where it can be
                if located and start is not None:
                    size, shape = pixels.nbytes, pixels.shape
                    pixels = Piece(path, start + row * size, size, size, shape=shape)
                yield Image(f"{stem}/{row:05d}", member, label, "", "", pixels)


def _arrays(path):
    """(uint8 [N, H, W, 3], N class numbers, an integer array or a list, the byte at which the first
    begins, None where its rows lie otherwise) in the pickle `path`."""
    file = reader.mapped(path, str(path))
    tree = reader.load(file, str(path))
    if not isinstance(tree, dict) or not {"features", "labels"} <= tree.keys():
        received = ", ".join(map(str, tree)) if isinstance(tree, dict) else type(tree).__name__
        raise InputError(f"{path} needs a dict with features and labels; received {received}")
    features, labels = tree["features"], tree["labels"]
    if (
        not isinstance(features, np.ndarray)
        or features.dtype != np.uint8
        or features.ndim != 4
        or features.shape[3] != 3
        or 0 in features.shape[1:]
    ):
        raise InputError(f"{path} needs features uint8 [N, H, W, 3]; received {_kind(features)}")
    if not _are_whole_numbers(labels) or len(labels) != len(features):
        raise InputError(
            f"{path} needs {len(features)} whole numbers as labels, one a row of features; "
            f"received {_kind(labels)}"
        )
    return features, labels, images.start_in(features, file)


def _are_whole_numbers(labels):
    if isinstance(labels, np.ndarray):
        return labels.dtype.kind in "iu" and labels.ndim == 1
    return isinstance(labels, list) and all(
        type(n) is int or isinstance(n, np.integer) for n in labels
    )


def _kind(value):
    """What `value` is, as `float64 (3, 4)`, `list of 3` or `str`."""
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {value.shape}"
    return f"list of {len(value)}" if isinstance(value, list) else type(value).__name__
