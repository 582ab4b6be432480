"""A head trained on a pack that memory can't hold: `python -m bench.scale --larger-than-memory`."""

import resource
import shutil
import sys

import numpy as np

from bench import machine
from transfer.packs import writer

LIMIT = 1 << 30  # bytes of data (RLIMIT_DATA: private memory; mapped files apart) of the stage
LENGTH, CLASSES = 2048, 10  # D, C
BLOCK = 2048  # rows drawn at a time
CHECKED = 2000  # rows of the validation pack
COLUMNS = (
    "pack, GB",
    "images",
    "memory of the machine, GB",
    "limit of the stage, GB",
    "seconds of an epoch",
    "us an image",
    "peak, MB",
)
PACKS = "data/bottlenecks/${net}_${dataset}_"


def measured(space, gigabytes=None):
    """A row of COLUMNS: the stage `train` in a Workspace, one epoch, its data limited to LIMIT.

    gigabytes: of the pack; None for a quarter more than the machine's memory, or for three times
    LIMIT where the disk has no room for that, which is told on stderr.
    """
    size = int(gigabytes * 1e9) if gigabytes else _size(space.folder)
    count = max(BLOCK, size // (4 * LENGTH))
    settings = {"net": "mini", "dataset": "random", "split.per_class": "all", "head.epochs": 1}
    settings |= {"head.kind": "softmax"}
    path = space.at(f"{PACKS}${{split.per_class}}_bottleneck_features_train.p", settings)
    write(path, count, seed=0)
    write(space.at(f"{PACKS}bottleneck_features_validation.p", settings), CHECKED, seed=1)

    def limit():
        resource.setrlimit(resource.RLIMIT_DATA, (LIMIT, LIMIT))

    finished = space.stage("train", settings, space.folder / "store", watched=True, before=limit)
    return (
        path.stat().st_size / 1e9,
        count,
        machine.memory() / 1e9,
        LIMIT / 1e9,
        finished.seconds,
        1e6 * finished.seconds / count,
        finished.peak / 1e6,
    )


def write(path, count, seed):
    """Writes a pack of `count` rows of random features about a centre for each class."""
    labels = np.arange(count) % CLASSES
    centres = np.random.default_rng(0).normal(size=(CLASSES, LENGTH)).astype(np.float32)

    def rows():
        rng = np.random.default_rng(seed)
        for start in range(0, count, BLOCK):
            mine = labels[start : start + BLOCK]
            noise = rng.standard_normal((len(mine), LENGTH), np.float32)
            yield centres[mine] / 4 + noise

    ids = np.char.mod("%08d", np.arange(count))
    source = {"net": "mini", "dataset": "random", "weights": "untrained"}
    writer.write(
        path,
        features=rows(),
        shape=(count, LENGTH),
        labels=labels,
        ids=ids,
        groups=ids,
        classes=[f"class-{number}" for number in range(CLASSES)],
        recipe={"source": source},
    )


def _size(folder):
    wanted = machine.memory() * 5 // 4
    free = shutil.disk_usage(folder).free
    if free > wanted * 11 // 10:
        return wanted
    print(
        f"{free / 1e9:.0f} GB are free, and a pack larger than memory needs {wanted / 1e9:.0f}: "
        f"{3 * LIMIT / 1e9:.0f} GB are written, three times the limit of the stage",
        file=sys.stderr,
    )
    return 3 * LIMIT
