"""Packs written as a stream: features with their labels.

A pack is a pickle (protocol 4) of a dict that plain `pickle.load` opens wherever NumPy 1 or 2 is.
The features never stand in memory as a whole.
"""

from pathlib import Path

import numpy as np

from transfer.errors import InputError
from transfer.packs import columns, views
from transfer.packs.opcodes import plain, write_array
from transfer.writing import replacing


def write(
    path, *, features, labels, ids, groups, classes, recipe, further=None, shape=None, flat=False
):
    """Writes a pack to `path`, whole or not at all; equal input gives equal bytes.

    `features`: float32 [N, D], or an iterable of its consecutive rows as float32 [n, D] together
    with `shape` = (N, D); stored [N, D] where `flat`, else [N, 1, 1, D].  `labels`: integers [N],
    0..C-1; `ids`, `groups`: N strings each, see columns.Strings; `classes`: C names; `recipe`: a
    dict of plain values; `further`: {view: features} of the views beyond the first, those
    that recipe["views"] lists: each of the same shape, and given as `features` may be.
    Raises InputError where they don't fit each other, or the file can't be written.
    """
    path = Path(path)
    shape = features.shape if isinstance(features, np.ndarray) else shape
    if shape is None or len(shape) != 2:
        raise InputError(f"{path}: features must be [N, D]; received the shape {shape}")
    rows, length = (int(n) for n in shape)
    labels, ids, groups = np.asarray(labels), _strings(ids), _strings(groups)
    if rows == 0 and labels.size == 0:
        labels = labels.astype(np.int64)  # an empty list is taken for floats
    columns.check(path, rows, labels, ids, groups, classes)
    given = {views.FIRST: features} | {views.key(v): x for v, x in (further or {}).items()}
    views.require_listed(given, recipe, path)
    keys = [views.FIRST, *map(views.key, views.further(recipe, path))]
    stored = (rows, length) if flat else (rows, 1, 1, length)
    try:
        with replacing(path, "wb") as file:
            file.write(b"\x80\x04}")  # protocol 4, an empty dict
            for key in keys:
                is_array = isinstance(given[key], np.ndarray)
                found = _blocks(given[key]) if is_array else given[key]
                found = _checked(found, rows, length, path, key)
                write_array(file, key, stored, "<f4", found)
            write_array(file, "labels", (rows,), "<i8", [labels])
            write_array(file, "ids", (rows,), ids.dtype.str, ids.blocks())
            write_array(file, "groups", (rows,), groups.dtype.str, groups.blocks())
            file.write(plain("classes") + plain([str(name) for name in classes]) + b"s")
            file.write(plain("recipe") + plain(recipe) + b"s.")
    except OSError as fault:
        raise InputError(f"{path} can't be written: {fault}; free space or rights there") from None


def _blocks(features):
    """The rows of `features` [N, D] in pieces, so that a mapped array stays on disk."""
    step = max(1, columns.BLOCK // max(1, features[:1].nbytes))
    return (features[start : start + step] for start in range(0, len(features), step))


def _checked(chunks, rows, length, path, key):
    """The chunks of features, each checked as it passes, and their number at the end."""
    done = 0
    for chunk in chunks:
        if chunk.dtype != np.float32 or chunk.ndim != 2 or chunk.shape[1] != length:
            raise InputError(
                f"{path}: {key} must be float32 [n, {length}]; received {columns.kind(chunk)}"
            )
        columns.check_finite(chunk, done, path, key)
        done += len(chunk)
        if done <= rows:
            yield chunk
    if done != rows:
        raise InputError(f"{path}: expected {key} of {rows} rows; received {done}")


def _strings(values):
    return values if isinstance(values, columns.Strings) else columns.Strings(values)
