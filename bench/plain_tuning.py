"""Plain Keras fine-tunes a network from images: the whole network runs on each in every epoch.

    python -m bench.plain_tuning --source FOLDER --raw FOLDER --index FILE --card FILE
        --weights FOLDER --cut LAYER --upto LAYER --size S --epochs E --batch B --rate R
        --precision f32

As Keras' guide to transfer learning has it: layers up to the cut are frozen, batch norms keep their
statistics, and a mean over the area, dropout and a dense layer follow.  Rate, schedule, decay,
smoothing and dropout are those of `head.kind: finetune`, and so are the augmented views, others in
each epoch, which are drawn before its time is taken.  Prints a JSON object: epochs, the seconds of
each; front, tail: multiply-adds of an image; and the accuracy of the validation and the test part.
"""

import argparse
import json
import math
from pathlib import Path
from types import SimpleNamespace

from bench import fitting, processes, squares
from transfer.datasets import sources
from transfer.features.resizing import Square
from transfer.heads.choosing import tuning
from transfer.heads.tuned import POLICIES
from transfer.nets import cards, conversion, networks
from transfer.nets.networks import keras

layers = keras.layers


def main(argv=None):
    options = argparse.ArgumentParser(prog="python -m bench.plain_tuning")
    for name in ("source", "raw", "index", "card", "weights"):
        options.add_argument(f"--{name}", type=Path, required=True)
    for name in ("cut", "upto", "precision"):
        options.add_argument(f"--{name}", required=True)
    for name in ("size", "epochs", "batch"):
        options.add_argument(f"--{name}", type=processes.positive, required=True)
    options.add_argument("--rate", type=processes.above_zero, required=True)
    given = options.parse_args(argv)
    source, card = sources.load(given.source), cards.load(given.card)
    square = Square(given.size, card.resize, card.crop)
    parts = squares.of_parts(given.source, given.raw, given.index, square)
    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy(POLICIES.get(given.precision, "float32"))
    network, _ = conversion.filled(card, given.weights)
    front, tail = multiply_adds(network, given.cut, given.upto, given.size)
    x, y = parts["train"]
    model = built(network, card, given.cut, given.upto, given.size, int(y.max()) + 1)
    how = {"epochs": given.epochs, "batch": given.batch, "rate": given.rate}
    seconds = fitting.fit(model, x, y, flip=source.flip, **how)
    found = {"epochs": seconds, "front": front, "tail": tail}
    print(json.dumps(found | fitting.accuracies(model, parts)))


def built(network, card, cut, upto, size, classes):
    """keras.Model from uint8 images to logits, of which what lies between the layers trains."""
    between = keras.Model(network.get_layer(cut).output, network.get_layer(upto).output)
    trains = {layer.name for layer in between.layers} - {cut}
    for layer in network.layers:
        # Frozen, a norm keeps its statistics; `training=False` at the call would not hold, since
        # what `fit` says of the whole model goes to each part of it (Keras 3.15).
        is_norm = isinstance(layer, layers.BatchNormalization)
        layer.trainable = layer.name in trains and not is_norm
    image = keras.Input((size, size, 3), dtype="uint8")
    at_end = SimpleNamespace(name=card.name, pixels=card.pixels, layers=(upto,))
    maps = networks.with_pixels(network, at_end)(image)
    (maps,) = keras.tree.flatten(maps)  # Keras gives a single one without its list
    x = layers.Dropout(tuning.DROPOUT)(layers.GlobalAveragePooling2D()(maps))
    return keras.Model(image, layers.Dense(classes, dtype="float32")(x))


def multiply_adds(network, cut, upto, size):
    """(up to the layer `cut`, from there up to `upto`) of an image of `size` pixels."""
    counts = []
    for name in (cut, upto):
        part = keras.Model(network.input, network.get_layer(name).output)
        part = keras.models.clone_model(part, input_tensors=keras.Input((size, size, 3)))
        counts.append(
            sum(
                math.prod(layer.output.shape[1:-1]) * math.prod(kernel.shape)
                for layer in part.layers
                for kernel in layer.weights
                if len(kernel.shape) > 1
            )
        )
    return counts[0], counts[1] - counts[0]


if __name__ == "__main__":
    processes.command(main)
