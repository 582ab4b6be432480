"""Views in an OpenVINO graph: the same images as by features.views, each number to a grey level."""

import numpy as np

from transfer.features.rules import LEAST, MEAN, SD
from transfer.nets.graphs import ops


def stack(graph, names):
    """Puts between the input of `graph`, an ov.Model of uint8 images [N, S, S, 3], and its network
    those of the views `names` as one batch [V N, S, S, 3], the first view of all images first."""
    image = graph.input(0)
    users = image.get_target_inputs()
    looks = [VIEWS[name](image) for name in names]
    together = ops.concat(looks, axis=0).output(0) if len(looks) > 1 else looks[0]
    for user in users:
        user.replace_source_output(together)


def mean(rows, count):
    """[N, C], the means over `count` views of `rows` [count N, C], as `stack` orders them."""
    length = rows.get_partial_shape()[1].get_length()
    by_view = ops.reshape(rows, np.array([count, -1, length]), special_zero=False)
    return ops.reduce_mean(by_view, np.array([0]), keep_dims=False).output(0)


def _flipped(image):
    columns = np.arange(image.get_partial_shape()[2].get_length())[::-1]
    return ops.gather(image, columns.copy(), np.array(2)).output(0)


def _contrast(image):
    x, axes = ops.convert(image, np.float32), np.array([1, 2, 3])
    m = ops.reduce_mean(x, axes, keep_dims=True)
    sd = ops.sqrt(ops.reduce_mean(ops.squared_difference(x, m), axes, keep_dims=True))
    gain = ops.divide(np.float32(SD), ops.maximum(sd, np.float32(LEAST)))
    levels = ops.add(ops.multiply(ops.subtract(x, m), gain), np.float32(MEAN))
    rounded = ops.round(ops.clamp(levels, 0.0, 255.0), "half_to_even")
    return ops.convert(rounded, np.uint8).output(0)


VIEWS = {"plain": lambda image: image, "flipped": _flipped, "contrast": _contrast}
