"""A small network trained from nothing on a dataset's images: what is not owed to transfer.

    python -m bench.scratch --source FOLDER --raw FOLDER --index FILE --epochs E

Prints a JSON object: seconds, from reading the images to the last epoch, and the accuracy of the
validation and the test part, which have no say.  Seven convolutions with batch norms on 64 pixels
and the mean over the area, fitted as `fitting` says.
"""

import argparse
import json
import time
from pathlib import Path

from bench import fitting, processes, squares
from transfer.datasets import sources
from transfer.features import engine
from transfer.features.resizing import Square
from transfer.heads.choosing import tuning
from transfer.nets.graphs import ov
from transfer.nets.networks import keras, ops

SIZE = 64
WIDTHS = (32, 64, 128, 128, 256, 256, 256)  # of the convolutions, the first at half the size
POOLED = (1, 3, 5)  # after which of them
RATE, BATCH = 2e-3, 64


def main(argv=None):
    options = argparse.ArgumentParser(prog="python -m bench.scratch")
    for name in ("source", "raw", "index"):
        options.add_argument(f"--{name}", type=Path, required=True)
    options.add_argument("--epochs", type=processes.positive, required=True)
    given = options.parse_args(argv)
    start = time.perf_counter()
    square = Square(SIZE, "bilinear")
    parts = squares.of_parts(given.source, given.raw, given.index, square)
    x, y = parts["train"]
    keras.utils.set_random_seed(0)
    if engine.runs_in(ov.Core(), "bf16") == "bf16":
        keras.config.set_dtype_policy("mixed_bfloat16")
    model = built(int(y.max()) + 1)
    flip = sources.load(given.source).flip
    fitting.fit(model, x, y, epochs=given.epochs, batch=BATCH, rate=RATE, flip=flip)
    found = {"seconds": time.perf_counter() - start}
    print(json.dumps(found | fitting.accuracies(model, parts)))


def built(classes):
    layers = keras.layers
    x = image = keras.Input((SIZE, SIZE, 3), dtype="uint8")
    x = layers.Rescaling(1 / 63.75, -2)(ops.cast(x, "float32"))
    for number, width in enumerate(WIDTHS):
        x = layers.Conv2D(width, 3, 1 if number else 2, "same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
        if number in POOLED:
            x = layers.MaxPooling2D()(x)
    x = layers.Dropout(tuning.DROPOUT)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(image, layers.Dense(classes, dtype="float32")(x))


if __name__ == "__main__":
    processes.command(main)
