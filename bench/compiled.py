"""The compiled network alone, on random images: prints its time and CPU time as JSON.

python -m bench.compiled --card CARD --backbone FOLDER --weights FOLDER --precision bf16 --seconds 5
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np

from bench.preparation import PLAIN
from transfer.datasets import sources
from transfer.features import choices, engines
from transfer.nets import cards

WARM_UP = 3  # batches that are not counted
DISTINCT = 4  # batches of random images, taken in turn


def main(argv=None):
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("card", "backbone", "weights"):
        options.add_argument(f"--{name}", type=Path, required=True)
    options.add_argument("--precision", required=True)
    options.add_argument("--seconds", type=float, required=True)
    given = options.parse_args(argv)
    card = cards.load(given.card)
    source = sources.Source("random", "render")  # recommends nothing
    choice = choices.choose(card, source, PLAIN | {"extract.precision": given.precision})
    engine = engines.opened(choice, card, given.backbone, given.weights)
    images = random_images(engine.batch, choice.size)
    list(engine.stream(batches(images, WARM_UP)))
    wall, cpu, done = time.perf_counter(), time.process_time(), 0
    for rows, _ in engine.stream(for_seconds(given.seconds, images)):
        done += len(rows)
    found = {
        "images": done,
        "seconds": time.perf_counter() - wall,
        "cpu": time.process_time() - cpu,
        "precision": engine.precision,
    }
    print(json.dumps(found))


def random_images(batch, size):
    """DISTINCT batches of random images uint8 [batch, size, size, 3], the same each time."""
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (batch, size, size, 3), np.uint8) for _ in range(DISTINCT)]


def batches(images, count):
    """Yields `count` times (rows, batch) of `images`, in turn."""
    for number in range(count):
        batch = images[number % DISTINCT]
        yield list(range(len(batch))), batch


def for_seconds(seconds, images):
    """Such batches for so long; DISTINCT of them at least."""
    end = time.perf_counter() + seconds
    for number, pair in enumerate(batches(images, 10**9)):
        if number >= DISTINCT and time.perf_counter() > end:
            return
        yield pair


if __name__ == "__main__":
    main()
