"""Pooling in Keras: from a network's maps to one row of features an image.

The same numbers as the sub-graphs that graphs.open_pooled makes.  Imports TensorFlow: whoever can
do without it imports this late.
"""

from transfer.nets.layers import WHOLE
from transfer.nets.networks import keras, ops


def joined(maps, layers):
    """Features [N, D] of `maps`, a dict {layer: tensor [N, h, w, c] or [N, c]}: those of each of
    `layers`, a list of (name, cells), pooled and joined in this order; float16 of one that is
    WHOLE."""
    found = [pooled(maps[name], cells) for name, cells in layers]
    return keras.layers.Concatenate(name="features")(found) if len(found) > 1 else found[0]


def pooled(x, cells):
    """[N, h, w, c] -> [N, cells * cells * c], means over cells x cells parts of the area, rows of
    cells first; cell i of h rows is the rows floor(i h / cells) to ceil((i + 1) h / cells), as in
    PyTorch's AdaptiveAvgPool2d.  What is [N, c] stays so.

    h and w must be known, and at least `cells`.
    """
    if len(x.shape) == 2:
        return x
    if cells == WHOLE:
        return ops.cast(keras.layers.Flatten()(x), "float16")
    for axis in (1, 2):
        length = x.shape[axis]
        parts = []
        for i in range(cells):
            part = slice(i * length // cells, -(-(i + 1) * length // cells))
            rows = x[:, part] if axis == 1 else x[:, :, part]
            parts.append(ops.mean(rows, axis=axis, keepdims=True))
        x = ops.concatenate(parts, axis=axis) if cells > 1 else parts[0]
    return keras.layers.Flatten()(x)
