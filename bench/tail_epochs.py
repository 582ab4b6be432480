"""Seconds of each epoch of `head.kind: finetune` on activations that lie ready.

    python -m bench.tail_epochs --train FILE --train_cut FOLDER --card FILE --weights FOLDER
        --cut LAYER --upto LAYER --epochs E --batch B --rate R --precision f32

Prints a JSON object: epochs, the seconds of each, of its steps alone.
"""

import argparse
import json
import math
import time
from pathlib import Path

import numpy as np

from bench import processes
from transfer.heads.choosing.epochs import Epochs
from transfer.heads.choosing.tuning import Tuning
from transfer.heads.tuned import POLICIES
from transfer.nets import cards, tails
from transfer.nets.networks import keras
from transfer.packs import activations, reader


def main(argv=None):
    options = argparse.ArgumentParser(prog="python -m bench.tail_epochs")
    for name in ("train", "train_cut", "card", "weights"):
        options.add_argument(f"--{name}", type=Path, required=True)
    for name in ("cut", "upto", "precision"):
        options.add_argument(f"--{name}", required=True)
    for name in ("epochs", "batch"):
        options.add_argument(f"--{name}", type=processes.positive, required=True)
    options.add_argument("--rate", type=processes.above_zero, required=True)
    given = options.parse_args(argv)
    views = activations.read(given.train_cut)
    pack = activations.pack_of(reader.read(given.train), views)
    keras.config.set_dtype_policy(POLICIES.get(given.precision, "float32"))
    card = cards.load(given.card)
    tail = tails.build(card, given.weights, given.cut, given.upto, views.arrays[0].shape[1:])
    classes = len(pack.classes)
    weights = np.ones(classes, np.float32)
    training = Epochs(views.arrays, pack.labels, weights, given.batch, 0, None)
    tuning = Tuning(tail, classes, 0)
    rows = np.arange(len(pack.labels))
    steps = math.ceil(len(rows) / given.batch)
    seconds = []
    for epoch in range(given.epochs):
        start = time.perf_counter()
        training.run(tuning, rows, steps, lambda _: given.rate, epoch)
        seconds.append(time.perf_counter() - start)
    print(json.dumps({"epochs": seconds}))


if __name__ == "__main__":
    processes.command(main)
