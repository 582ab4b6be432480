"""What the features of nets are worth to a linear head: `mini`, trained and not, beside others.

    python -m bench.probes [--nets mini squeezenet googlenet resnet]
        [--datasets sample cifar10 flowers traffic] [--seeds 0 1 2]

A row for each net, and before the others one for the first with weights drawn from a seed.  For
each dataset the mean and range over the split seeds of the accuracy on the validation part, for
each way in which the table of results divides it.  Runs are cells of a grid (transfer.grids.cells)
with the settings of the row `auto` of that table, and known ones cost nothing.
"""

import argparse
import sys

from bench import table
from bench.workspaces import ROOT
from transfer.grids import cells, protocol
from transfer.grids.figures import mean_and_range
from transfer.nets import cards

NETS = ("mini", "squeezenet", "googlenet", "resnet")
DATASETS = ("sample", *protocol.DATASETS)


def main(argv=None):
    argv = sys.argv[1:] if argv is None else argv
    given = parser().parse_args(argv)
    columns = [(name, split) for name in given.datasets for split in protocol.splits(name)]
    rows = []
    for net, weights in ((given.nets[0], "random"), *((net, "pretrained") for net in given.nets)):
        found = [accuracy(net, weights, *column, given.seeds) for column in columns]
        rows.append([net if weights == "pretrained" else f"{net}, untrained", *found])
    print(table.head("bench.probes", argv))
    print(table.markdown(["net", *(split.title for _, split in columns)], rows))


def parser():
    options = argparse.ArgumentParser(prog="python -m bench.probes")
    options.add_argument("--nets", nargs="+", default=NETS, choices=cards.known(ROOT / cards.CARDS))
    options.add_argument("--datasets", nargs="+", default=DATASETS)
    options.add_argument("--seeds", type=int, nargs="+", default=protocol.SEEDS)
    return options


def accuracy(net, weights, dataset, split, seeds):
    """Mean and range over the seeds as text; a dash with the reason where a run fails."""
    runs = [protocol.Run(net, "auto", dataset, split, seed) for seed in seeds]
    asked = [cells.Cell(f"{run}, {weights}", run.settings | {"weights": weights}) for run in runs]
    outcomes = cells.run(asked, ROOT)
    if faults := [outcome.fault for outcome in outcomes if outcome.metrics is None]:
        return f"- ({faults[0]})"
    return mean_and_range([outcome.metrics["validation"]["accuracy"] for outcome in outcomes])


if __name__ == "__main__":
    main()
