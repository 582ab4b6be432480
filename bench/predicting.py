"""Keras' `model.predict` in float32 on pictures already decoded and resized: prints JSON.

    python -m bench.predicting --source DATASET --raw RAW --index CSV --card CARD
        --weights FOLDER --images 256 --batches 8 16 32 64

The network is the card's up to its layer, pooled, from uint8 RGB, with all cores.  Neither the
pictures, nor building the network, nor a first `predict` of one batch, which traces it, is counted.
"""

import argparse
import json
import time
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path

import numpy as np

from bench import squares
from transfer.nets import cards
from transfer.nets.layers import chosen_layers


def main(argv=None):
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("source", "raw", "index", "card", "weights"):
        options.add_argument(f"--{name}", type=Path, required=True)
    options.add_argument("--images", type=int, required=True)
    options.add_argument("--batches", type=int, nargs="+", required=True)
    given = options.parse_args(argv)
    card = cards.load(given.card)
    found = squares.of_index(given.source, given.raw, given.index, card)
    images = np.stack(list(islice(found, given.images)))  # [N, S, S, 3]
    model = network(card, given.weights)
    rates = {}
    for batch in given.batches:
        whole = repeated(images, batch)
        rates[batch] = rate(model, whole, batch)
    print(json.dumps({"images": len(whole), "rates": rates}))


def network(card, weights):
    """keras.Model from uint8 RGB [N, S, S, 3] to the features [N, D] of the card's layer."""
    from transfer.nets import conversion, networks, pooling  # noqa: PLC0415  # imports TensorFlow

    alone = replace(card, multi=(), cuts=())
    filled, _ = conversion.filled(alone, weights)
    unpooled = networks.with_pixels(filled, alone)
    image = networks.keras.Input((card.size, card.size, 3), dtype="uint8")
    (maps,) = networks.keras.tree.flatten(unpooled(image))
    layers = chosen_layers(card, "card")
    return networks.keras.Model(image, pooling.joined({layers[0][0]: maps}, layers))


def repeated(images, batch):
    """`images`, or their beginning, in whole batches, so that one shape is traced; where they fill
    no batch they are taken again and again until they do."""
    if len(images) >= batch:
        return images[: len(images) // batch * batch]
    return np.stack(list(islice(chain.from_iterable([images] * batch), batch)))


def rate(model, images, batch):
    """Images/s of one warm `predict` of `images`."""
    model.predict(images[:batch], batch_size=batch, verbose=0)
    start = time.perf_counter()
    model.predict(images, batch_size=batch, verbose=0)
    return len(images) / (time.perf_counter() - start)


if __name__ == "__main__":
    main()
