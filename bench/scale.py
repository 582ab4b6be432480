"""Time and peak memory of each stage at 10,000, 100,000 and 1,000,000 pictures.

    python -m bench.scale [--counts 10000 100000] [--layout pickled]
    python -m bench.scale --larger-than-memory [--gigabytes 30]

Random pictures of 32x32 in one archive, a card of mini's first block at 32 px (D = 64), a softmax
head of --epochs epochs.  Each stage in a fresh process, the store of features empty before.  The
peak is of anonymous memory (mapped files apart), looked at every 20 ms, children included; the
slope is what an image costs in it, from the row of fewer pictures to this one.

--larger-than-memory: one epoch of a head on a pack larger than this machine's memory, or, where the
disk has no room for that, on one three times the limit set to the stage (bench.large_pack).
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from bench import large_pack, processes, random_images, table, workspaces

CARD = """
builder: mini
weights: {seed: 0}
size: 32
resize: bilinear
pixels: {order: RGB, mean: [127.5, 127.5, 127.5], divisor: 63.75}
layer: block1
features: 64
parameters: 1389024
"""
NAME = "tiny"  # of the card
STAGES = ("index", "extract", "train", "evaluate")
COLUMNS = ("stage", "images", "seconds", "us an image", "peak, MB", "slope, B an image")


def main(argv=None):
    argv = sys.argv[1:] if argv is None else argv
    given = parser().parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        space = workspaces.made(Path(folder, "workspace"))
        if given.larger_than_memory:
            columns, rows = large_pack.COLUMNS, [large_pack.measured(space, given.gigabytes)]
        else:
            columns = COLUMNS
            rows = measured(space, sorted(given.counts), given.layout, given.epochs)
    print(table.head("bench.scale", argv))
    print(table.markdown(columns, rows))


def parser():
    options = argparse.ArgumentParser(prog="python -m bench.scale")
    options.add_argument(
        "--counts", type=processes.positive, nargs="+", default=(10_000, 100_000, 1_000_000)
    )
    options.add_argument("--layout", choices=random_images.LAYOUTS, default="class_folders")
    options.add_argument("--epochs", type=processes.positive, default=2)
    options.add_argument("--larger-than-memory", action="store_true")
    options.add_argument(
        "--gigabytes", type=processes.above_zero, help="of the pack larger than memory"
    )
    return options


def measured(space, counts, layout, epochs):
    """The rows of COLUMNS, stage by stage, each at all of the ascending `counts`."""
    (space.folder / f"models/cards/{NAME}.yaml").write_text(CARD)
    found = {stage: [] for stage in STAGES}
    for count in counts:
        settings = {
            "net": NAME,
            "dataset": f"random-{count}",
            "split.per_class": "all",
            "split.validation": 0.1,
            "split.test": 0.1,
            "head.kind": "softmax",
            "head.epochs": epochs,
        }
        random_images.dataset(space.folder, settings["dataset"], count, layout)
        store = space.folder / "store"
        if count == counts[0]:
            for stage in ("fetch_weights", "backbone"):
                space.stage(stage, settings, store)
        for stage in STAGES:
            finished = space.stage(stage, settings, store, watched=True)
            found[stage].append((count, finished))
            print(f"{stage} of {count:,}: {finished.seconds:.1f} s", file=sys.stderr)
        shutil.rmtree(store)
        for place in ("raw", "bottlenecks"):
            shutil.rmtree(space.folder / "data" / place)
    return [row for stage, runs in found.items() for row in stage_rows(stage, runs)]


def stage_rows(stage, runs):
    """The rows of COLUMNS for one stage: `runs` of (images, processes.Finished), fewest first."""
    before = None
    for count, finished in runs:
        slope = (finished.peak - before[1]) / (count - before[0]) if before else None
        yield (
            stage,
            count,
            finished.seconds,
            1e6 * finished.seconds / count,
            finished.peak / 1e6,
            "" if slope is None else slope,
        )
        before = count, finished.peak


if __name__ == "__main__":
    processes.command(main)
