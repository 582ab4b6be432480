"""Views in a Keras network: the same images as by features.views, each number to a grey level.

Imports TensorFlow, as keras_file does.
"""

from transfer.features.rules import LEAST, MEAN, SD
from transfer.nets.networks import keras, ops


def stacked(image, names):
    """uint8 [V N, S, S, 3], the views `names` of `image` [N, S, S, 3] as one batch, the first view
    of all images first."""
    looks = [VIEWS[name](image) for name in names]
    return ops.concatenate(looks, axis=0) if len(looks) > 1 else looks[0]


def mean(rows, count, name):
    """[N, C], the means over `count` views of `rows` [count N, C], as `stacked` orders them; by a
    layer of that `name`."""
    by_view = ops.reshape(rows, (count, -1, rows.shape[1]))
    return keras.layers.Average(name=name)([by_view[view] for view in range(count)])


def _contrast(image):
    x, axes = ops.cast(image, "float32"), (1, 2, 3)
    m = ops.mean(x, axes, keepdims=True)
    sd = ops.sqrt(ops.mean(ops.square(x - m), axes, keepdims=True))
    levels = (x - m) * (SD / ops.maximum(sd, LEAST)) + MEAN
    return ops.cast(ops.round(ops.clip(levels, 0.0, 255.0)), "uint8")


VIEWS = {
    "plain": lambda image: image,
    "flipped": lambda image: ops.flip(image, axis=2),
    "contrast": _contrast,
}
