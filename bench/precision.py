"""What a precision costs in accuracy: heads on its features beside heads on others.

    python -m bench.precision [--nets resnet] [--datasets cifar10 flowers]
        [--precisions bf16 int8] [--seeds 0 1 2]

For each seed of the split 100 training images a class are drawn and a softmax head is trained on
the features of each precision, at the card's layer and size with the plain view; accuracy is that
on the validation part, a half of CIFAR-10 and a third of others.  A loss is the mean over seeds of
what the first precision is better by, in points; its standard error says how sure that is.
"""

import argparse
import sys
import tempfile
from pathlib import Path
from statistics import mean, stdev

from bench import preparation, processes, table, workspaces
from bench.extraction import known
from bench.preparation import PLAIN
from bench.workspaces import ROOT
from transfer.datasets import sources
from transfer.heads import trained
from transfer.nets import cards
from transfer.packs import reader as packs

NETS = ("squeezenet", "googlenet", "resnet", "inception_mixed8")
DATASETS = ("cifar10", "flowers")
VALIDATION = {"cifar10": 0.5}  # fractions, and for all others:
ELSE_VALIDATION = 0.3334
GOAL = 0.5  # points that int8 may lose
HEAD = {
    "head.kind": "softmax",
    "head.epochs": 50,
    "head.batch_size": 256,
    "head.seed": 0,
    "head.initializer": "glorot_uniform",
}


def main(argv=None):
    argv = sys.argv[1:] if argv is None else argv
    given = parser().parse_args(argv)
    precisions = known(given.precisions)
    rows = []
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        space = workspaces.made(Path(folder, "workspace"))
        for name in given.datasets:
            preparation.fetched(space, name)
        for net in given.nets:
            weights = preparation.net(space, net, precisions)
            for dataset in given.datasets:
                found = [
                    [accuracy(space, net, dataset, precision, seed) for seed in given.seeds]
                    for precision in precisions
                ]
                rows.append(row(f"{net} ({weights})", dataset, found))
                print(f"{net} on {dataset}: {rows[-1]}", file=sys.stderr)
    columns = ["net (weights)", "dataset", "images"]
    columns += [f"{precision}, mean (least-most)" for precision in precisions]
    columns += [f"{precision} loses, points" for precision in precisions[1:]]
    print(table.head("bench.precision", argv))
    print(f"{table.markdown(columns, rows)}\n")
    print(f"Goal: int8 loses at most {GOAL} points.")


def parser():
    options = argparse.ArgumentParser(prog="python -m bench.precision")
    nets, datasets = cards.known(ROOT / cards.CARDS), sources.known(ROOT / sources.FOLDER)
    options.add_argument("--nets", nargs="+", default=NETS, choices=nets)
    options.add_argument("--datasets", nargs="+", default=DATASETS, choices=datasets)
    options.add_argument("--precisions", nargs="+", default=("bf16", "int8"))
    options.add_argument("--seeds", type=int, nargs="+", default=(0, 1, 2))
    return options


def accuracy(space, net, dataset, precision, seed):
    """(share of right answers, images) of the validation part, by the stages up to `train`."""
    settings = PLAIN | HEAD | {"net": net, "dataset": dataset, "extract.precision": precision}
    settings |= {"split.by": "group", "split.per_class": 100, "split.test": 0, "split.seed": seed}
    settings |= {"split.validation": VALIDATION.get(dataset, ELSE_VALIDATION)}
    for stage in ("index", "extract", "train"):
        space.stage(stage, settings, space.folder / "store")
    pack = "data/bottlenecks/${net}_${dataset}_bottleneck_features_validation.p"
    check, head = packs.read(space.at(pack, settings)), trained.load(space.folder / trained.HEAD)
    right = head.probabilities(check.views).argmax(axis=1) == check.labels
    return float(right.mean()), len(right)


def row(net, dataset, found):
    """The cells of a net and dataset; found: for each precision (accuracy, images) of each seed."""
    shares = [[share for share, _ in runs] for runs in found]
    losses = []
    for others in shares[1:]:
        lost = [100 * (one - other) for one, other in zip(shares[0], others, strict=True)]
        error = f" +- {stdev(lost) / len(lost) ** 0.5:.2f}" if len(lost) > 1 else ""
        losses.append(f"{mean(lost):.2f}{error}")
    means = [f"{mean(s):.4f} ({min(s):.4f}-{max(s):.4f})" for s in shares]
    return (net, dataset, found[0][0][1], *means, *losses)


if __name__ == "__main__":
    processes.command(main)
