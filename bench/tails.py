"""Fine-tuning from cached activations beside plain Keras, which runs the whole network each time.

    python -m bench.tails [--net inception_mixed8] [--dataset traffic] [--cut auto] [--upto auto]
        [--size auto] [--augmented 4] [--epochs 8] [--batch 32] [--seed 0]

- An epoch: of the steps alone, on the same images with the same batches, the median of those after
  the first; for each precision, one after the other.  The bound is (F + 3 T) / 3 T, with F the
  multiply-adds of an image up to the cut and T those from there on: a training step costs what is
  trained three times what it costs to run it, and plain Keras runs the front too.
- The whole: ours is the wall time of the stages `extract`, with nothing in the store, and `train`,
  in bf16 where the device has it; plain Keras' is that of its epochs in float32 alone, without
  start, reading or drawing of views.  Accuracy with its 95 % interval, each group of images one
  trial, of the validation part and of the official test part where there is one.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from statistics import median

from bench import finetuning, preparation, processes, table, workspaces
from bench.workspaces import ROOT
from transfer.datasets import sources
from transfer.downloads import kept
from transfer.grids import protocol
from transfer.grids.pipeline import METRICS
from transfer.nets import cards
from transfer.packs import activations
from transfer.reports import intervals

PRECISIONS = ("f32", "bf16")
EPOCHS = 3  # of those that are timed alone; at least 2, since the first counts for nothing
GOAL = 0.9  # of the bound
CUT = "data/bottlenecks/${net}_${dataset}_${split.per_class}_activations_train"
PACK = "data/bottlenecks/${net}_${dataset}_${split.per_class}_bottleneck_features_train.p"


def main(argv=None):
    argv = sys.argv[1:] if argv is None else argv
    given = parser().parse_args(argv)
    if given.epochs < 2:
        raise processes.CommandError("--epochs must be from 2: the first is not timed")
    split = protocol.splits(given.dataset)[-1]
    run = protocol.Run(given.net, "auto", given.dataset, split, given.seed)
    settings = run.settings | finetuning.asked(given, given.augmented)
    settings["head.batch_size"] = given.batch
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        space = workspaces.made(Path(folder, "workspace"))
        preparation.net(space, given.net, ["bf16"])
        preparation.fetched(space, given.dataset)
        contest = Contest(space, settings, given.batch)
        ours = contest.ours()
        plain, timed = {}, {}
        for precision in PRECISIONS:
            epochs = given.epochs if precision == "f32" else EPOCHS
            plain[precision] = contest.plain(precision, epochs)
            theirs = median(plain[precision]["epochs"][1:])
            timed[precision] = (theirs, contest.epoch(precision))
    plain = plain["f32"]
    front, tail = plain["front"], plain["tail"]
    bound = (front + 3 * tail) / (3 * tail)
    print(table.head("bench.tails", argv))
    rows = [
        (precision, theirs, mine, theirs / mine, bound, theirs / mine / bound)
        for precision, (theirs, mine) in timed.items()
    ]
    columns = ["precision", "plain Keras, s an epoch", "ours, s an epoch", "ratio", "bound"]
    print(table.markdown([*columns, f"of the bound (goal {GOAL})"], rows))
    print(f"\nF = {front / 1e6:,.0f} and T = {tail / 1e6:,.0f} million multiply-adds an image.\n")
    whole = sum(plain["epochs"])
    parts = ["validation", *(["test"] if split.has_test else [])]
    counts = {part: ours["metrics"][part]["n_groups"] for part in parts}
    rows = [
        ("plain Keras, f32", whole, *(_accuracy(plain[part], counts[part]) for part in parts)),
        (
            f"ours, {given.augmented} augmented views",
            ours["extract"] + ours["train"],
            *(_accuracy(ours["metrics"][part]["accuracy"], counts[part]) for part in parts),
        ),
    ]
    named = {"validation": "validation (95 %)", "test": "official test (95 %)"}
    print(table.markdown(["", "seconds", *(named[part] for part in parts)], rows))
    print(f"\nThe whole factor: {table.number(whole / (ours['extract'] + ours['train']))}.")


def parser():
    options = argparse.ArgumentParser(prog="python -m bench.tails")
    nets, datasets = cards.known(ROOT / cards.CARDS), sources.known(ROOT / sources.FOLDER)
    options.add_argument("--net", default="inception_mixed8", choices=nets)
    options.add_argument("--dataset", default="traffic", choices=datasets)
    options.add_argument("--cut", default="auto")
    options.add_argument("--upto", default="auto")
    options.add_argument("--size", type=finetuning.size, default="auto")
    options.add_argument("--augmented", type=finetuning.views, default=4)
    options.add_argument("--epochs", type=processes.positive, default=8, help="from 2")
    options.add_argument("--batch", type=processes.positive, default=32)
    options.add_argument("--seed", type=int, default=0)
    return options


class Contest:
    """space: a workspaces.Workspace with the dataset fetched and the net converted; settings: of a
    tuned run, {dotted key of params.yaml: value}."""

    def __init__(self, space, settings, batch):
        self._space, self._settings, self._batch = space, settings, batch
        self._found = None

    def ours(self):
        """{extract: seconds, train: seconds, metrics: the dict of metrics.json}; activations stay
        for `epoch`."""
        space, settings = self._space, self._settings
        space.stage("index", settings, kept.store_folder())
        with tempfile.TemporaryDirectory(prefix="store-", dir=space.folder) as store:
            found = {
                name: space.stage(name, settings, store).seconds for name in ("extract", "train")
            }
            space.stage("evaluate", settings, store)
        metrics = json.loads((space.folder / METRICS).read_text(encoding="utf-8"))
        self._found = found | {"metrics": metrics}
        return self._found

    def epoch(self, precision):
        """Seconds of an epoch of ours in `precision`."""
        names = {"train": PACK, "train_cut": CUT}
        paths = {name: self._space.at(text, self._settings) for name, text in names.items()}
        found = self._call("tail_epochs", ("card", "weights"), EPOCHS, precision, paths)
        return median(found["epochs"][1:])

    def plain(self, precision, epochs):
        """What bench.plain_tuning prints."""
        names = ("source", "raw", "index", "card", "weights")
        recipe = activations.read(self._space.at(CUT, self._settings)).recipe
        more = {"size": recipe["size"]}
        return self._call("plain_tuning", names, epochs, precision, more)

    def _call(self, module, names, epochs, precision, more):
        head = self._found["metrics"]["head"]
        (cut,) = activations.read(self._space.at(CUT, self._settings)).recipe["layers"]
        options = more | {"cut": cut, "upto": head["upto"], "rate": head["rate"]}
        options |= {"epochs": epochs, "batch": self._batch, "precision": precision}
        return preparation.call(self._space, module, self._settings, names, options)


def _accuracy(value, n):
    low, high = intervals.wilson(value, n)
    return f"{value:.3f} ({low:.3f}-{high:.3f})"


if __name__ == "__main__":
    processes.command(main)
