"""Accuracy and speed by how a net looks at pictures: size, layers and views.

    python -m bench.looks [--net inception_mixed8] [--datasets cifar10 flowers traffic]
        [--sizes 96 139 192 224 299] [--layers auto] [--views auto] [--heads auto] [--seeds 0 1 2]

A row for each size, set of layers (names joined by commas, or auto, card, multi), set of views and
kind of head.
For each dataset: the mean over the seeds of the accuracy on images that the folds of the training
part held out, which is what a recommendation may be chosen by, and the mean and range of that on
the validation part, which has no say.  Runs are cells of a grid (transfer.grids.cells): settings
are those of the row `auto` of the table, but for what is given here, and known ones cost nothing.
images/s: of the network alone, in turns of 3 seconds, median of 3; of more than one view it takes
as many passes.
"""

import argparse
import sys
import tempfile
import time
from itertools import product
from pathlib import Path
from statistics import fmean, median

from bench import preparation, table, workspaces
from bench.compiled import WARM_UP, batches, for_seconds, random_images
from bench.workspaces import ROOT
from transfer.datasets import sources
from transfer.features import choices, engines
from transfer.grids import cells, protocol
from transfer.grids.figures import mean_and_range, short
from transfer.nets import cards

SECONDS, ROUNDS = 3.0, 3
WORDS = ("auto", "card", "multi")
KEYS = ("extract.size", "extract.layers", "extract.views", "head.kind")


def main(argv=None):
    argv = sys.argv[1:] if argv is None else argv
    given = parser().parse_args(argv)
    looks = [
        dict(zip(KEYS, values, strict=True))
        for values in product(given.sizes, given.layers, given.views, given.heads)
    ]
    speeds = measured(given.net, given.datasets, looks)
    rows = [[*map(told, look.values())] for look in looks]
    for dataset in given.datasets:
        for row, look in zip(rows, looks, strict=True):
            row += [
                table.number(speeds[dataset, str(look)]),
                *accuracies(given.net, dataset, look, given.seeds),
            ]
    columns = ["size", "layers", "views", "head"]
    for dataset in given.datasets:
        columns += [f"{dataset}: images/s", "held out by folds", "validation, mean (range)"]
    print(table.head("bench.looks", argv))
    print(table.markdown(columns, rows))


def parser():
    options = argparse.ArgumentParser(prog="python -m bench.looks")
    options.add_argument(
        "--net", default="inception_mixed8", choices=cards.known(ROOT / cards.CARDS)
    )
    options.add_argument("--datasets", nargs="+", default=protocol.DATASETS)
    options.add_argument("--sizes", nargs="+", type=size, default=(96, 139, 192, 224, 299))
    options.add_argument("--layers", nargs="+", type=names, default=("auto",))
    options.add_argument("--views", nargs="+", type=names, default=("auto",))
    options.add_argument("--heads", nargs="+", default=("auto",))
    options.add_argument("--seeds", type=int, nargs="+", default=protocol.SEEDS)
    return options


def size(text):
    """A size of params.yaml: pixels, or one of its words."""
    return text if text in ("auto", "card") else int(text)


def names(text):
    """Layers or views of params.yaml: a list, or one of its words."""
    return text if text in WORDS else text.split(",")


def told(asked):
    return ", ".join(asked) if isinstance(asked, list) else str(asked)


def accuracies(net, dataset, look, seeds):
    """(held-out, validation) as texts, over the seeds; a dash with the reason where a run fails."""
    split = protocol.splits(dataset)[-1]
    runs = [protocol.Run(net, "auto", dataset, split, seed) for seed in seeds]
    asked = [cells.Cell(f"{run} {told_of(look)}", run.settings | look) for run in runs]
    outcomes = cells.run(asked, ROOT)
    if faults := [outcome.fault for outcome in outcomes if outcome.metrics is None]:
        return "-", faults[0]
    found = [outcome.metrics for outcome in outcomes]
    held_out = [m["head"].get("fold_accuracy") for m in found]  # softmax and mlp have no folds
    held_out = "-" if None in held_out else short(fmean(held_out))
    return held_out, mean_and_range([m["validation"]["accuracy"] for m in found])


def told_of(look):
    return " ".join(f"{key.partition('.')[2]} {told(value)}" for key, value in look.items())


def measured(net, datasets, looks):
    """{(dataset, look as text): images/s} of the network alone: all of them in turn, ROUNDS times,
    so that none has the quiet minutes for itself."""
    asked, opened = {}, {}
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        space = workspaces.made(Path(folder, "workspace"))
        preparation.net(space, net, ["bf16"])
        paths = preparation.paths(space, {"net": net, "dataset": datasets[0]})
        card = cards.load(paths["card"])
        for dataset, look in product(datasets, looks):
            source = sources.load(ROOT / sources.FOLDER / dataset)
            settings = preparation.PLAIN | look | {"extract.precision": "bf16"}
            choice = choices.choose(card, source, settings)
            key = asked[dataset, str(look)] = choice.layers, choice.size
            if key not in opened:
                opened[key] = engines.opened(choice, card, paths["backbone"], paths["weights"])
    images = {size: random_images(engine.batch, size) for (_, size), engine in opened.items()}
    for (_, size), engine in opened.items():
        list(engine.stream(batches(images[size], WARM_UP)))
    rounds = [
        {key: rate(engine, images[key[1]]) for key, engine in opened.items()} for _ in range(ROUNDS)
    ]
    return {which: median(one[key] for one in rounds) for which, key in asked.items()}


def rate(engine, images):
    """images/s over SECONDS."""
    start, done = time.perf_counter(), 0
    for rows, _ in engine.stream(for_seconds(SECONDS, images)):
        done += len(rows)
    return done / (time.perf_counter() - start)


if __name__ == "__main__":
    main()
