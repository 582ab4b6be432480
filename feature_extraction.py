"""Trains the bottleneck lab's head on two packs and prints what Keras printed.

    python feature_extraction.py --training_file X_train.p --validation_file X_validation.p

A pack is a pickle of {"features": [N, ...], "labels": [N]}: ours, the course's, or anyone's, of
Python 2 or 3.  The head is one softmax layer on the flattened features, trained with Adam.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np

from transfer import errors
from transfer.heads import kinds, trained
from transfer.packs import reader as packs

WIDTH = 30  # characters of the bar
EXAMPLE = """example:
  python feature_extraction.py \\
    --training_file data/bottlenecks/resnet_cifar10_100_bottleneck_features_train.p \\
    --validation_file data/bottlenecks/resnet_cifar10_bottleneck_features_validation.p"""


def arguments(argv=None):
    parser = argparse.ArgumentParser(
        description="Trains a softmax layer on bottleneck features and prints its learning curves.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    pack = "pickle of a dict with features [N, ...] and labels [N]"
    parser.add_argument("--training_file", required=True, type=Path, metavar="PACK", help=pack)
    parser.add_argument("--validation_file", required=True, type=Path, metavar="PACK", help="same")
    number = {"type": _count, "metavar": "N"}
    parser.add_argument("--epochs", default=50, help="passes over the data (%(default)s)", **number)
    parser.add_argument("--batch_size", default=256, help="rows a step (%(default)s)", **number)
    return parser.parse_args(argv)


def _count(text):
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1; received {text!r}")
    return int(text)


def main(argv=None):
    given = arguments(argv)
    with errors.sentences():
        training, validation = packs.read(given.training_file), packs.read(given.validation_file)
        check(training, given.training_file, validation, given.validation_file)
        # As in the course: as many classes as there are different training labels.
        classes, labels = np.unique(training.labels, return_inverse=True)
        if trained.is_untrained(training.recipe):  # aside: stdout is the course's, word for word
            print(f"note: the features in {given.training_file} are untrained", file=sys.stderr)
        show(training, validation)
        display = Display(len(labels), given.epochs)
        kinds.fit(
            "softmax",
            (training.features,),
            labels,
            len(classes),
            {"epochs": given.epochs, "batch_size": given.batch_size, "seed": 0},
            validation=((validation.features,), np.searchsorted(classes, validation.labels)),
            on_batch=display.batch,
            on_epoch=display.epoch,
            bar=False,
        )


def check(training, training_file, validation, validation_file):
    """InputError unless a head that is trained on one pack can be measured on the other."""
    for pack, path in ((training, training_file), (validation, validation_file)):
        if not len(pack.labels):
            raise errors.InputError(f"{path} has no images")
    d, received = training.features.shape[1], validation.features.shape[1]
    if d != received:
        raise errors.InputError(
            f"{validation_file} has {received} features an image, but {training_file} has {d}; "
            "give two packs of one network and one recipe"
        )
    strange = np.setdiff1d(validation.labels, training.labels)
    if len(strange):
        names = ", ".join(map(str, strange[:5])) + (", ..." if len(strange) > 5 else "")
        raise errors.InputError(
            f"{validation_file} has labels that {training_file} lacks: {names}; give two packs of "
            "one dataset"
        )


def show(training, validation):
    print(training.features.shape, training.labels.shape)
    print(validation.features.shape, validation.labels.shape)
    counts = len(training.labels), len(validation.labels)
    print("Train on {} samples, validate on {} samples".format(*counts))


class Display:
    """Keras 1's progress display: a live bar in a terminal, else a line an epoch.  It holds when
    the epoch started."""

    def __init__(self, n, epochs):
        self.n, self.epochs = n, epochs
        self.live = sys.stdout.isatty()
        self._begin(1)

    def _begin(self, epoch):
        print(f"Epoch {epoch}/{self.epochs}", flush=True)
        self.start = self.drawn = time.monotonic()
        self.width = 0

    def batch(self, seen, means):
        now = time.monotonic()
        if self.live and now - self.drawn > 0.05 and seen < self.n:
            left = (now - self.start) / seen * (self.n - seen)
            self._draw(seen, f"ETA: {int(left)}s", means)
            self.drawn = now

    def epoch(self, epoch, means):
        self._draw(self.n, f"{int(time.monotonic() - self.start)}s", means)
        print(flush=True)
        if epoch < self.epochs:
            self._begin(epoch + 1)

    def _draw(self, seen, clock, means):
        values = (
            f"{name}: {v:.4f}" if v > 1e-3 else f"{name}: {v:.4e}" for name, v in means.items()
        )
        line = " - ".join([bar(seen, self.n), clock, *values])
        # Blanks wipe what a longer line has left.
        print("\r" * self.live + line.ljust(self.width * self.live), end="", flush=True)
        self.width = len(line)


def bar(seen, n):
    """`  256/1000 [======>.......................]`, the arrow's tip at the share seen."""
    full = WIDTH * seen // n
    arrow = "=" * (full - 1) + ("=" if seen == n else ">") if full else ""
    return f"{seen:{len(str(n))}d}/{n} [{arrow.ljust(WIDTH, '.')}]"


if __name__ == "__main__":
    main()
