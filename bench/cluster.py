"""A Ray cluster on this machine beside this machine alone: speed, the driver's memory and intake.

    python -m bench.cluster [--nets mini inception] [--dataset flowers] [--images 600 1800]
        [--repeats 3] [--counts 10000 100000 1000000] [--lengths 64 512 2048] [--rows 100000]

- Speed: the stage `extract` with an empty store, on the same cores, in turns: here, and on a
  cluster of one node of all cores.  Images/s are of what the larger of --images takes longer than
  the smaller, so start-up is not in them; it is in the seconds until the store has a feature.
- Memory: the peak of the driver alone, anonymous memory, on two nodes of one core each, for
  --counts random pictures of 32x32 through a small network, bench.scale's.
- Intake: the most that the driver plans, takes in and keeps: --rows features of --lengths, drawn
  by actors (bench.intake), from the first that came to the last that is in the store.
"""

import argparse
import json
import os
import shutil
import sqlite3
import sys
import tempfile
import threading
import time
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import median

from bench import preparation, processes, random_images, scale, table, workspaces
from bench.preparation import ALL, PLAIN
from bench.workspaces import ROOT
from transfer.cluster import opening
from transfer.datasets import sources
from transfer.features.store.database import NAME
from transfer.nets import cards

GOAL = 0.9  # of the speed of this machine
MEMORY = 1 << 30  # bytes of Ray's object store, all nodes together
LOOK = 0.02  # seconds between looks at the store


def main(argv=None):
    argv = sys.argv[1:] if argv is None else argv
    given = parser().parse_args(argv)
    if given.images[0] >= given.images[1]:
        raise processes.CommandError("--images takes two numbers, the smaller first")
    print(table.head("bench.cluster", argv))
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        space = workspaces.made(Path(folder, "workspace"))
        rows = [speed(space, net, given.dataset, given.images, given.repeats) for net in given.nets]
        columns = ["net", "images/s here", "on Ray", f"ratio (goal {GOAL})"]
        _print([*columns, "first feature here, s", "on Ray, s"], rows)
        _print(["pictures", "seconds", "driver's peak, MB"], memory(space, given.counts))
        columns = ["numbers a feature", "planned, pictures/s", "taken in, features/s", "MB/s"]
        columns += ["cores the driver kept busy"]
        _print(columns, intake(space, given.lengths, given.rows))


def _print(columns, rows):
    if rows := list(rows):
        print(table.markdown(columns, rows), "\n", sep="", flush=True)


def parser():
    options = argparse.ArgumentParser(prog="python -m bench.cluster")
    nets, datasets = cards.known(ROOT / cards.CARDS), sources.known(ROOT / sources.FOLDER)
    whole = processes.positive
    options.add_argument("--nets", nargs="*", default=("mini", "inception"), choices=nets)
    options.add_argument("--dataset", default="flowers", choices=datasets)
    options.add_argument("--images", type=whole, nargs=2, default=(600, 1800))
    options.add_argument("--repeats", type=whole, default=3)
    options.add_argument("--counts", type=whole, nargs="*", default=(10_000, 100_000, 1_000_000))
    options.add_argument("--lengths", type=whole, nargs="*", default=(64, 512, 2048))
    options.add_argument("--rows", type=whole, default=100_000)
    return options


@contextmanager
def nodes(count, cores):
    """A Ray cluster of `count` nodes of `cores` each, which the stages meanwhile run on."""
    from ray.cluster_utils import Cluster  # noqa: PLC0415  # of `make setup RAY=1`

    options = {"num_cpus": cores, "object_store_memory": MEMORY // count}
    cluster = Cluster(initialize_head=True, head_node_args=options)
    try:
        for _ in range(count - 1):
            cluster.add_node(**options)
        cluster.wait_for_nodes()
        os.environ[opening.ADDRESS] = cluster.address
        yield
    finally:
        os.environ.pop(opening.ADDRESS, None)
        cluster.shutdown()


def speed(space, net, dataset, images, repeats):
    """A row of the table of speed."""
    preparation.net(space, net, ["bf16"])
    available = preparation.available(space, [dataset], space.folder / "index-store")
    ((dataset, (rows, _)),) = available.items()
    settings = ALL | PLAIN | {"net": net, "dataset": dataset, "extract.precision": "bf16"}
    found = {"here": [], "ray": []}
    firsts = {"here": [], "ray": []}
    for _ in range(repeats):
        for where, seconds in found.items():
            took = []
            for count in images:
                chosen = preparation.choose(space, dataset, rows, count)
                if where == "ray":
                    with nodes(1, os.cpu_count()):
                        total, first = timed(space, settings)
                else:
                    total, first = timed(space, settings)
                took.append((chosen, total))
                firsts[where].append(first)
            (fewer, short), (more, long) = took
            seconds.append((more - fewer) / (long - short))
            print(f"{net} {where}: {seconds[-1]:.1f} images/s", file=sys.stderr)
    ratios = [ray / here for ray, here in zip(found["ray"], found["here"], strict=True)]
    rates = (table.spread(found[where]) for where in ("here", "ray"))
    return (net, *rates, table.spread(ratios), *(median(firsts[w]) for w in ("here", "ray")))


def timed(space, settings):
    """(seconds of the stage `extract` with an empty store, seconds until a feature is there)."""
    with (
        tempfile.TemporaryDirectory(prefix="store-", dir=space.folder) as store,
        watched(Path(store, NAME)) as first,
    ):
        finished = space.stage("extract", settings, store)
    shutil.rmtree(space.folder / "data/bottlenecks")
    return finished.seconds, first[0]


@contextmanager
def watched(path):
    """Context in which the list that it gives holds the seconds until the store `path` has a
    feature, from its beginning."""
    start, found, done = time.perf_counter(), [float("nan")], threading.Event()

    def look():
        while not done.wait(LOOK):
            if path.is_file():
                with closing(sqlite3.connect(path, timeout=1)) as base:
                    try:
                        (any_,) = base.execute("SELECT count(*) FROM batches").fetchone()
                    except sqlite3.OperationalError:  # it is being made
                        continue
                if any_:
                    found[0] = time.perf_counter() - start
                    return

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield found
    finally:
        done.set()
        watcher.join()


def memory(space, counts):
    """The rows of the table of memory."""
    settings = _tiny(space)
    for count in counts:
        name = f"random-{count}"
        random_images.dataset(space.folder, name, count, "class_folders")
        space.stage("index", settings | {"dataset": name}, space.folder / "store")
        with nodes(2, 1), tempfile.TemporaryDirectory(prefix="store-", dir=space.folder) as store:
            finished = space.stage("extract", settings | {"dataset": name}, store, watched=True)
        yield count, finished.seconds, finished.peak / 1e6
        for place in ("raw", "bottlenecks"):
            shutil.rmtree(space.folder / "data" / place)


def intake(space, lengths, count):
    """The rows of the table of intake."""
    if not lengths:
        return
    settings = _tiny(space) | {"dataset": "random"}
    random_images.dataset(space.folder, "random", count, "class_folders")
    space.stage("index", settings, space.folder / "store")
    params = workspaces.parameters(settings)
    python, _, stage, *words = workspaces.command("extract", params)
    assert stage == "stages.extract"
    for length in lengths:
        with nodes(2, 1), tempfile.TemporaryDirectory(prefix="store-", dir=space.folder) as store:
            env = workspaces.environment(store)
            command = [python, "-m", "bench.intake", length, *words]
            (space.folder / "params.yaml").write_text(json.dumps(params))  # JSON is YAML
            out = processes.run(command, cwd=space.folder, env=env).out
        told = json.loads(out.splitlines()[-1])
        rate = told["features"] / told["seconds"]
        yield length, told["planned"], rate, 4e-6 * length * rate, told["cores"]
        shutil.rmtree(space.folder / "data/bottlenecks")


def _tiny(space):
    """The settings of bench.scale's small network, whose backbone is made."""
    (space.folder / f"models/cards/{scale.NAME}.yaml").write_text(scale.CARD)
    settings = ALL | PLAIN | {"net": scale.NAME, "split.by": "image"}
    for stage in ("fetch_weights", "backbone"):
        space.stage(stage, settings, space.folder / "store")
    return settings


if __name__ == "__main__":
    processes.command(main)
