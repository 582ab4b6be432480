"""Images/s of the stage `extract`, end to end, beside Keras and beside the compiled network alone.

    python -m bench.extraction [--nets vgg resnet] [--datasets cifar10 flowers]
        [--precisions bf16 f32 int8] [--seconds 12] [--images N] [--repeats 3]

- ours: wall time of `python -m stages.extract` from the raw archive to packs on disk, start-up
  included, into an empty store, at the card's layer and size with the plain view.
- Keras: `model.predict` in float32, warm, at the best of four batch sizes, on pictures of the first
  dataset that are already decoded and resized.
- bare: the compiled network in the same engine, batch and precision on random pictures, warm.
- core-milliseconds an image: network, of bare; decode, of reading, decoding and resizing alone in
  one thread; extract, all that ours took.  The bound is cores / (network + decode).
- start-up: wall time of ours for one batch alone, which is in the figure of ours too.

Each in a fresh process, one after the other in each round; figures are medians of the rounds.  How
many pictures: so many that bare would take --seconds for them, and Keras as long for its own; all
that the dataset has where it has fewer.  Bare itself is measured for a quarter of that.  The first
precision is measured on every dataset, others on the first dataset.
"""

import argparse
import sys
import tempfile
from pathlib import Path
from statistics import median

from bench import contest, machine, preparation, processes, table, workspaces
from bench.processes import CommandError
from bench.workspaces import ROOT
from transfer import params
from transfer.datasets import sources
from transfer.nets import cards

SMALL = "mini"  # for whose small pictures the goal is a speed of its own
NETS = ("alexnet", "vgg", "inception", "resnet", SMALL)
DATASETS = ("cifar10", "traffic", "flowers")
PRECISIONS = ("bf16", "f32", "int8")
COLUMNS = (
    "net (weights)",
    "dataset",
    "precision",
    "images",
    "Keras f32, images/s",
    "of Keras: images, batch",
    "ours, images/s",
    "ours / Keras",
    "bare, images/s",
    "of bare",
    "core-ms: network + decode; extract",
    "of bound",
    "start-up, s",
)
PIPELINE = 0.85  # of bare, or of the bound, at least
# (precision, kind of CPU): times Keras for each net, and in the geometric mean; None: no goal.
GOALS = {
    ("bf16", "AMX"): (6.0, 8.0),
    ("bf16", "AVX-512 alone"): (1.9, 2.3),
    ("int8", "AMX"): (None, 12.0),
    ("int8", "AVX-512 alone"): (None, 4.2),
    ("f32", "AMX"): (1.0, None),
    ("f32", "AVX-512 alone"): (1.0, None),
}
SMALL_GOALS = {"AMX": 1500, "AVX-512 alone": 600}  # images/s end to end, on two cores


def main(argv=None):
    argv = sys.argv[1:] if argv is None else argv
    given = parser().parse_args(argv)
    precisions = known(given.precisions)
    rows, ratios, pipeline = [], {precision: {} for precision in precisions}, {}
    speeds = {}
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        space = workspaces.made(Path(folder, "workspace"))
        datasets = preparation.available(space, given.datasets, Path(folder, "index"))
        how = {name: getattr(given, name) for name in ("seconds", "images", "repeats")}
        for net in given.nets:
            outcome = contest.run(space, net, datasets, precisions, **how)
            for (dataset, precision), figures in outcome.figures.items():
                rows.append(row(net, dataset, precision, figures, outcome))
                if net == SMALL:
                    if precision == precisions[0]:
                        speeds[dataset] = median(figures.ours)
                    continue
                if precision == precisions[0]:
                    pipeline.setdefault(dataset, {})[net] = shares(figures)
                if dataset == next(iter(datasets)):
                    ratios[precision][net] = median(figures.ours) / median(figures.keras)
    print(table.head("bench.extraction", argv))
    print(f"{table.markdown(COLUMNS, rows)}\n")
    for name, (indexed, seconds) in datasets.items():
        print(f"`index` of {name}, with nothing known before: {len(indexed):,} in {seconds:.1f} s.")
    for name, found in pipeline.items():
        print(overlap(name, found))
    kind = machine.kind(machine.cpuinfo())
    for precision, found in ratios.items():
        if found:
            print(verdict(precision, found, kind))
    if speeds:
        print(speed(precisions[0], speeds, kind))


def parser():
    options = argparse.ArgumentParser(prog="python -m bench.extraction")
    nets, datasets = cards.known(ROOT / cards.CARDS), sources.known(ROOT / sources.FOLDER)
    options.add_argument("--nets", nargs="+", default=NETS, choices=nets)
    options.add_argument("--datasets", nargs="+", default=DATASETS, choices=datasets)
    options.add_argument("--precisions", nargs="+", default=PRECISIONS)
    options.add_argument(
        "--seconds",
        type=processes.above_zero,
        default=12,
        help="of each; of bare, a quarter",
    )
    options.add_argument(
        "--images", type=processes.positive, help="so many at most, instead of by --seconds"
    )
    options.add_argument("--repeats", type=processes.positive, default=3, help="rounds")
    return options


def known(precisions):
    """Those of `precisions` that extract.precision may be; the others are told of on stderr.

    Raises CommandError where none is left.
    """
    allowed, must = params.KEYS["extract.precision"]
    for name in precisions:
        if not allowed(name):
            print(f"{name} is left out: extract.precision is {must}", file=sys.stderr)
    found = [name for name in precisions if allowed(name)]
    if not found:
        raise CommandError(f"no precision is left to measure; extract.precision is {must}")
    return found


def row(net, dataset, precision, figures, outcome):
    """The cells of COLUMNS for a contest.Outcome and its Figures of one dataset and precision."""
    ours, keras = median(figures.ours), median(figures.keras)
    network, decode, extract = (
        median(v) for v in (figures.network, figures.decode, figures.extract)
    )
    of_bare, of_bound = shares(figures)
    runs = "" if figures.precision == precision else f" (runs {figures.precision})"
    return (
        f"{net} ({outcome.weights})",
        dataset,
        f"{precision}{runs}",
        figures.images,
        table.spread(figures.keras),
        f"{outcome.images:,}, {outcome.batch}",
        table.spread(figures.ours),
        ours / keras,
        table.spread(figures.bare),
        of_bare,
        f"{table.number(network)} + {table.number(decode)}; {table.number(extract)}",
        of_bound,
        table.spread(figures.start),
    )


def shares(figures):
    """(of bare, of the bound): what part of their images/s ours reaches."""
    ours, bare, network, decode = (
        median(v) for v in (figures.ours, figures.bare, figures.network, figures.decode)
    )
    return ours / bare, ours * (network + decode) / 1000 / machine.cores()


def overlap(dataset, found):
    """A sentence on how busy the pipeline keeps the network on `dataset`; found: {net: shares}.
    The bound counts where the host's work is what holds it up."""
    least = min(found, key=lambda net: max(found[net]))
    return (
        f"{dataset}: at least {max(found[least]):.2f} of bare or of the bound ({least}; goal "
        f"{PIPELINE})."
    )


def verdict(precision, ratios, kind):
    """A sentence on how many times Keras' speed `precision` has, {net: ratio}, beside the goals."""
    least = min(ratios, key=ratios.get)
    each, mean = GOALS.get((precision, kind), (None, None))
    return (
        f"{precision}: {table.number(ratios[least])} times Keras at least ({least}"
        f"{f'; goal {each:g}' if each else ''}), "
        f"{table.number(table.geometric_mean(list(ratios.values())))} in the geometric mean of "
        f"{len(ratios)} nets{f' (goal {mean:g})' if mean else ''}."
    )


def speed(precision, found, kind):
    """A sentence on the images/s of SMALL in `precision`, {dataset: images/s}, beside the goal."""
    told = ", ".join(f"{table.number(rate)} on {dataset}" for dataset, rate in found.items())
    goal = f"; goal {SMALL_GOALS[kind]:,}" if kind in SMALL_GOALS else ""
    return f"{SMALL}: images/s end to end in {precision}: {told}{goal}."


if __name__ == "__main__":
    processes.command(main)
