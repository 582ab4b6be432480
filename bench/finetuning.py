"""What fine-tuning from cached activations reaches beside the best linear head, and what it takes.

    python -m bench.finetuning [--net inception_mixed8] [--datasets traffic cifar10 flowers]
        [--cut auto] [--upto auto] [--size auto] [--augmented 0 4] [--epochs auto] [--seeds 0 1 2]
        [--scratch 30]

Beside the row `auto` of the table of results (a linear head on what the dataset recommends) one row
for each number of augmented views, or fresh (drawn anew in each epoch): the net tuned on 100
training images a class, from activations that no store holds yet.  Seconds: wall time of the stages
`extract` (pooled features and activations) and `train` as DVC runs them, mean over the seeds.  A
last row is the control: a small network trained from nothing on the same images (bench.scratch),
for --scratch epochs.
Accuracy: mean and range over the split seeds of the validation part and, where the dataset has an
official one, of the test part.
"""

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path
from statistics import fmean

from bench import preparation, processes, table, workspaces
from bench.looks import size
from bench.workspaces import ROOT
from transfer.datasets import sources
from transfer.downloads import kept
from transfer.errors import InputError
from transfer.grids import cells, protocol
from transfer.grids.figures import mean_and_range
from transfer.grids.pipeline import METRICS
from transfer.nets import cards

DATASETS = ("traffic", "cifar10", "flowers")
PARTS = ("validation", "test")


def main(argv=None):
    argv = sys.argv[1:] if argv is None else argv
    given = parser().parse_args(argv)
    print(table.head("bench.finetuning", argv))
    columns = ["dataset", "head", "extract, s", "train, s", "validation, mean (range)"]
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        space = workspaces.made(Path(folder, "workspace"))
        preparation.net(space, given.net, ["bf16"])
        for dataset in given.datasets:
            rows = of_dataset(space, dataset, given)
            # At once: a fault in a later dataset, hours on, takes nothing of it.
            print(table.markdown([*columns, "official test, mean (range)"], rows), flush=True)


def of_dataset(space, dataset, given):
    """The rows of `dataset`, of what the options `given` ask for."""
    split = protocol.splits(dataset)[-1]
    planned = [protocol.Run(given.net, "auto", dataset, split, seed) for seed in given.seeds]
    rows = [[split.title, "linear", "-", "-", *accuracies(linear(planned), split)]]
    preparation.fetched(space, dataset)
    for count in given.augmented:
        found = []
        for run in planned:
            found.append(tuned(space, run.settings | asked(given, count)))
            print(f"{run}, {count} views: {told(found[-1])}", file=sys.stderr)
        times = [fmean(one[stage] for one in found) for stage in ("extract", "train")]
        metrics = [one["metrics"] for one in found]
        views = f"fine-tuned, {count} augmented views"
        rows.append([split.title, views, *times, *accuracies(metrics, split)])
    if given.scratch:
        found = [scratch(space, run.settings, given.scratch) for run in planned]
        seconds = fmean(one["seconds"] for one in found)
        rows.append([split.title, "from nothing", "-", seconds, *accuracies(found, split)])
    return rows


def parser():
    options = argparse.ArgumentParser(prog="python -m bench.finetuning")
    nets, datasets = cards.known(ROOT / cards.CARDS), sources.known(ROOT / sources.FOLDER)
    options.add_argument("--net", default="inception_mixed8", choices=nets)
    options.add_argument("--datasets", nargs="+", default=DATASETS, choices=datasets)
    options.add_argument("--cut", default="auto")
    options.add_argument("--upto", default="auto")
    options.add_argument("--size", type=size, default="auto")
    options.add_argument("--augmented", type=views, nargs="*", default=(0, 4))
    options.add_argument("--epochs", type=lambda text: text if text == "auto" else int(text),
                         default="auto")  # fmt: skip
    options.add_argument("--seeds", type=int, nargs="+", default=protocol.SEEDS)
    options.add_argument("--scratch", type=int, default=30, help="epochs of the control, or 0")
    return options


def views(text):
    """The value of extract.augmented that `text` names."""
    return text if text == "fresh" else int(text)


def asked(given, augmented):
    """{dotted key of params.yaml: value} of a tuned run, beside those of the linear one."""
    return {
        "extract.cut": given.cut,
        "extract.size": given.size,
        "extract.augmented": augmented,
        "head.kind": "finetune",
        "head.upto": given.upto,
        "head.epochs": given.epochs,
        "head.batch_size": "auto",
    }


def linear(planned):
    """The metrics of the `planned` runs; raises InputError where one fails."""
    outcomes = cells.run([cells.Cell(str(run), run.settings) for run in planned], ROOT)
    for outcome in outcomes:
        if outcome.metrics is None:
            raise InputError(outcome.fault)
    return [outcome.metrics for outcome in outcomes]


def tuned(space, settings):
    """{extract: seconds, train: seconds, metrics: the dict of metrics.json} of one run, whose
    features and activations are computed anew."""
    cold = space.folder / "store"
    space.stage("index", settings, kept.store_folder())
    found = {
        stage: space.stage(stage, settings, cold).seconds for stage in ("extract", "train")
    }  # fmt: skip
    space.stage("evaluate", settings, cold)
    shutil.rmtree(cold)
    return found | {"metrics": json.loads((space.folder / METRICS).read_text(encoding="utf-8"))}


def told(found):
    """A line of progress for what `tuned` gave."""
    measured = {part: found["metrics"].get(part) for part in PARTS}
    parts = ", ".join(f"{m['accuracy']:.4f} on {part}" for part, m in measured.items() if m)
    return f"{parts}; extract {found['extract']:.0f} s, train {found['train']:.0f} s"


def scratch(space, settings, epochs):
    """What bench.scratch prints for the index under `settings`, as a dict like metrics.json."""
    space.stage("index", settings, kept.store_folder())
    names = ["source", "raw", "index"]
    found = preparation.call(space, "scratch", settings, names, {"epochs": epochs})
    parts = {part: {"accuracy": found[part]} for part in PARTS if part in found}
    return {"seconds": found["seconds"]} | parts


def accuracies(metrics, split):
    """(validation, test) as texts; a dash for a test part that is none of the publisher's."""
    return [
        mean_and_range([one[part]["accuracy"] for one in metrics])
        if part == "validation" or split.has_test
        else "-"
        for part in PARTS
    ]


if __name__ == "__main__":
    processes.command(main)
