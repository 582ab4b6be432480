"""`mini` with a linear head for each layer of each teacher, and for what a sign shows.

A teacher's mean over the whole area is regressed on the mean of `features`; its cells on the same
cells of `block3`, so that an early block learns what lies where.  Face and text of a sign are told
twice, from the mean of `features` and from the four quarters of `block3`.
"""

import math

import numpy as np

from pretrain.faces import PLACES, SIGNS
from transfer.nets import mini
from transfer.nets.networks import keras
from transfer.nets.networks import tensorflow as tf

layers = keras.layers

EARLY, LATE = "block3", "features"
FACES, TEXTS = "faces", "texts"


def build(columns, faces):
    """(mini, keras.Model from float32 [N, S, S, 3] in the card's pixel convention to a dict of
    float32): {net}: [N, cells * K of all layers], for the `columns` that teachers.py wrote; FACES:
    [N, 2, faces]; TEXTS: logits [N, 2, PLACES, len(SIGNS)]."""
    image = keras.Input((None, None, 3), name="image")
    backbone = keras.Model(image, mini.build(image), name="mini")
    late = layers.GlobalAveragePooling2D(dtype="float32")(backbone.get_layer(LATE).output)
    early = backbone.get_layer(EARLY).output
    outputs = {}
    for net, told in columns.items():
        parts = []
        for number, (_, cells, count) in enumerate(told):
            name = f"{net}_{number}"
            if cells == 1:
                parts.append(layers.Dense(count, dtype="float32", name=name)(late))
                continue
            side = round(cells**0.5)
            pooled = Cells(side, dtype="float32", name=f"{name}_cells")(early)  # [N, cells, w]
            answer = layers.Dense(count, dtype="float32", name=name)(pooled)
            parts.append(layers.Reshape((cells * count,), dtype="float32")(answer))
        outputs[net] = layers.Concatenate(dtype="float32")(parts) if len(parts) > 1 else parts[0]
    quarters = layers.Flatten(dtype="float32")(Cells(2, dtype="float32", name="quarters")(early))
    for name, shape in ((FACES, (faces,)), (TEXTS, (PLACES, len(SIGNS)))):
        told = [
            layers.Dense(math.prod(shape), dtype="float32", name=f"{name}_{number}")(read)
            for number, read in enumerate((late, quarters))
        ]
        both = layers.Concatenate(dtype="float32")(told)
        outputs[name] = layers.Reshape((2, *shape), dtype="float32")(both)
    return backbone, keras.Model(image, outputs)


class Cells(layers.Layer):
    """Means over side x side equal parts of [N, h, w, c]: [N, side**2, c]; h, w divide by side."""

    def __init__(self, side, **settings):
        super().__init__(**settings)
        self.side = side

    def compute_output_shape(self, shape):
        return (shape[0], self.side**2, shape[-1])

    def call(self, x):
        height, width, depth = tf.shape(x)[1], tf.shape(x)[2], x.shape[-1]
        parts = tf.reshape(
            x, (-1, self.side, height // self.side, self.side, width // self.side, depth)
        )
        return tf.reshape(tf.reduce_mean(parts, axis=(2, 4)), (-1, self.side**2, depth))


def pixels(views, size, convention):
    """float32 [N, size, size, 3] of uint8 [N, H, W, 3], in the cards.Pixels `convention`."""
    x = tf.cast(views, tf.float32)
    if size != views.shape[1]:
        x = tf.image.resize(x, (size, size), antialias=size < views.shape[1])
    if convention.order == "BGR":
        x = x[..., ::-1]
    return (x - np.array(convention.mean, np.float32)) / np.float32(convention.divisor)
