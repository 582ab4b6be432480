"""What the feature store saves: runs of the stage `extract` over pictures that it partly holds.

    python -m bench.store [--net mini] [--images 20000] [--repeats 3]

Random pictures of 32x32 at the card's layer and size, in bfloat16 where the CPU has it; each run in
a fresh process.  Start-up, taken off in the column `start-up aside`, is a run over 16 pictures: new
ones (imports, the network compiled) for runs that compute, kept ones for the run that reads alone.
"""

import argparse
import re
import shutil
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from statistics import median

from bench import preparation, processes, random_images, table, workspaces
from bench.processes import CommandError
from transfer.features.engine import BATCH

COLUMNS = ("run", "pictures", "computed", "seconds", "start-up aside", "of a full extraction")


def main(argv=None):
    argv = sys.argv[1:] if argv is None else argv
    options = argparse.ArgumentParser(prog="python -m bench.store")
    options.add_argument("--net", default="mini", help="the cheapest is the hardest to outrun")
    options.add_argument("--images", type=processes.positive, default=20_000)
    options.add_argument("--repeats", type=processes.positive, default=3)
    given = options.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        space = workspaces.made(Path(folder, "workspace"))
        runs = measured(space, given.net, given.images, given.repeats)
    print(table.head("bench.store", argv))
    print(f"{table.markdown(COLUMNS, rows(runs))}\n")
    print(verdict(runs))


def measured(space, net, count, repeats):
    """{run: (pictures, computed, [seconds])} of the runs of one round, each `repeats` times."""
    new = max(1, count // 100)
    found = {}
    for name, size in (("first", count), ("second", count + new)):
        random_images.dataset(space.folder, name, size, "pickled")
        found[name], _ = preparation.indexed(space, name, space.folder / "known")
    preparation.net(space, net, ["bf16"])
    half = found["first"][: count // 2]
    few = found["first"][:BATCH]  # a run that is nothing but start-up
    plan = [  # (run, dataset, its rows, whether the store is empty before)
        ("start-up, new pictures", "first", few, True),
        ("all new", "first", found["first"], True),
        ("start-up, kept pictures", "first", few, False),
        ("all kept", "first", found["first"], False),
        ("a second dataset, 1 % of it new", "second", found["second"], False),
        ("half of the pictures", "first", half, True),
        ("then all of them: a larger per_class", "first", found["first"], False),
    ]
    seconds, sizes = defaultdict(list), {}
    for number in range(1, repeats + 1):
        for name, dataset, chosen, is_fresh in plan:
            if is_fresh:
                shutil.rmtree(space.folder / "store", ignore_errors=True)
            preparation.choose(space, dataset, chosen, len(chosen))
            settings = preparation.ALL | preparation.PLAIN | {"net": net, "dataset": dataset}
            settings |= {"extract.precision": "bf16"}
            finished = space.stage("extract", settings, space.folder / "store")
            seconds[name].append(finished.seconds)
            sizes[name] = (len(chosen), computed(finished.out))
            print(f"{name}, round {number}: {finished.seconds:.2f} s", file=sys.stderr)
    return {name: (*sizes[name], seconds[name]) for name in seconds}


def computed(printed):
    """How many pictures the stage `extract` says that it computed.

    Raises CommandError where it says nothing of the kind.
    """
    told = re.search(r"([\d,]+) were computed", printed)
    if not told:
        raise CommandError(f"extract does not say how many were computed: {printed.strip()}")
    return int(told[1].replace(",", ""))


def aside(runs, name):
    """Median seconds of the run `name` without its start-up."""
    _, new, seconds = runs[name]
    start = "start-up, new pictures" if new else "start-up, kept pictures"
    return median(seconds) - median(runs[start][2])


def rows(runs):
    """The cells of COLUMNS for each run."""
    full = aside(runs, "all new")
    for name, (pictures, new, seconds) in runs.items():
        is_start = name.startswith("start-up")
        cells = ("", "") if is_start else (aside(runs, name), aside(runs, name) / full)
        yield (name, pictures, new, table.spread(seconds), *cells)


def verdict(runs):
    """Sentences on the goals: what 1 % costs, and reading back beside computing."""
    full, read = aside(runs, "all new"), aside(runs, "all kept")
    little = aside(runs, "a second dataset, 1 % of it new")
    if min(full, read, little) <= 0:
        return "Too few pictures to tell: no run takes longer than start-up."
    return (
        f"1 % new pictures cost {100 * little / full:.1f} % of a full extraction, reading included "
        f"(goal: at most 3 %); reading back is {table.number(full / read)} times as fast as "
        f"computing (goal: at least 20)."
    )


if __name__ == "__main__":
    processes.command(main)
