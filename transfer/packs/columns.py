"""The columns of a pack, features, labels, ids and groups, and whether they fit each other."""

from itertools import islice

import numpy as np

from transfer.errors import InputError

BLOCK = 1 << 22  # bytes of features looked at in one go
ROWS = 4096  # of a column of strings that are in memory at once


class Strings:
    """N strings as a column of fixed width: an array of them, or anything that gives them, the same
    ones, each time that it is iterated over, and of which no more than ROWS are held.

    Where one of them is no string, dtype is none of strings and kind says what was met.  length,
    width: N and the longest of them, for values of which that is known; else they are gone through
    for it.
    """

    ndim = 1

    def __init__(self, values, length=None, width=1):
        self._values = values
        if length is not None:
            self._length, self.dtype, self.kind = length, np.dtype(f"<U{width}"), "strings"
            return
        self._length, self.dtype = 0, np.dtype("O")
        if isinstance(values, np.ndarray):
            self._length, self.ndim, self.kind = len(values), values.ndim, kind(values)
            self.dtype = values.dtype.newbyteorder("<") if len(values) else np.dtype("<U1")
            return
        for value in values:
            if not isinstance(value, str):
                self.kind = f"{kind(value)} among them"
                return
            self._length += 1
            width = max(width, len(value))
        self.dtype, self.kind = np.dtype(f"<U{width}"), "strings"

    def __len__(self):
        return self._length

    def blocks(self):
        """Yields arrays of consecutive strings."""
        if isinstance(self._values, np.ndarray):
            for start in range(0, len(self), ROWS):
                yield self._values[start : start + ROWS]
            return
        values, done = iter(self._values), 0
        while block := list(islice(values, ROWS)):
            yield np.array(block, self.dtype)
            done += len(block)
        if done != len(self):
            raise InputError(f"expected {len(self)} strings; received {done}")


def check(path, rows, labels, ids, groups, classes):
    """Raises InputError where the columns of a pack of `rows` features don't fit each other."""
    if labels.dtype.kind not in "iu" or labels.ndim != 1:
        raise InputError(f"{path}: labels must be integers [N]; received {kind(labels)}")
    for name, column in (("labels", labels), ("ids", ids), ("groups", groups)):
        if name != "labels" and column is None:
            continue
        is_array = isinstance(column, np.ndarray | Strings)
        if name != "labels" and not (is_array and column.dtype.kind == "U" and column.ndim == 1):
            raise InputError(f"{path}: {name} must be strings [N]; received {kind(column)}")
        if len(column) != rows:
            raise InputError(
                f"{path} holds {rows} features and {len(column)} {name}; expected as many;"
                " extract it again"
            )
    if not rows:
        return
    least, most = int(labels.min()), int(labels.max())
    limit = 2**31 if classes is None else len(classes)
    if least < 0 or most >= limit:
        raise InputError(
            f"{path} holds the label {least if least < 0 else most}; expected 0 to {limit - 1}"
            f"{'' if classes is None else f' for its {limit} classes'}"
        )


def check_finite(features, start, path, key="features"):
    """Raises InputError for a number of `features` [n, D] that is none; start: the row of the first
    of them among all of `key`."""
    bad = ~np.isfinite(features)
    if bad.any():
        row, column = np.argwhere(bad)[0]
        of = "" if key == "features" else f" of {key}"
        raise InputError(
            f"{path}: feature {column} of row {start + row}{of} is {features[row, column]};"
            " expected finite numbers; check the image and the weights that it comes from"
        )


def kind(value):
    if isinstance(value, Strings):
        return value.kind
    if isinstance(value, np.ndarray):
        return f"{'objects' if value.dtype.hasobject else value.dtype} {list(value.shape)}"
    return f"a {type(value).__name__}"
