"""What stands ready before anything is measured: archives, an index, weights, the converted net."""

import json
import sys
from pathlib import Path

from bench import processes, squares, workspaces
from bench.processes import CommandError
from transfer.datasets import index
from transfer.downloads import kept, manifests

# Every picture is indexed and none is left out, drawn as it comes.
ALL = {"split.by": "image", "split.per_class": "all", "split.validation": 0.1, "split.test": 0.1}
PLAIN = {
    "extract.layers": "card",
    "extract.size": "card",
    "extract.views": ["plain"],
    "extract.cut": None,
    "extract.augmented": 0,
    "extract.engine": "openvino",
}
INDEX = "data/index/${dataset}.csv"


def fetched(space, name):
    """Fetches the archives of the dataset `name` into the workspace.

    Raises processes.CommandError where they can't be had.
    """
    space.stage("fetch_data", {"dataset": name}, kept.store_folder())


def indexed(space, name, store):
    """Indexes the fetched dataset `name`; returns (its usable rows, seconds that the stage `index`
    took with the empty store `store`)."""
    settings = ALL | {"dataset": name}
    finished = space.stage("index", settings, store)
    rows = index.read(space.at(INDEX, settings))
    return [row for row in rows if row.split in index.PARTS], finished.seconds


def choose(space, name, rows, count):
    """Makes `count` of `rows`, evenly spaced, the index of the dataset `name`; returns how many
    there are."""
    chosen = squares.thinned(rows, count)
    index.write(space.at(INDEX, {"dataset": name}), chosen)
    return len(chosen)


def net(space, name, precisions):
    """Brings the weights of the net `name` and converts it for all of `precisions`; returns where
    they come from: published or mirror, or untrained where they can't be had, which is told on
    stderr."""
    # A backbone for int8 holds the network in floating point too.
    precision = "int8" if "int8" in precisions else precisions[0]
    settings = {"net": name, "weights": "pretrained", "extract.precision": precision}
    store = kept.store_folder()
    try:
        space.stage("fetch_weights", settings, store)
    except CommandError as fault:
        print(f"{name} gets random weights: {fault}", file=sys.stderr)
        settings["weights"] = "random"
        space.stage("fetch_weights", settings, store)
    space.stage("backbone", settings, store)
    return manifests.read(paths(space, settings)["weights"])["origin"]


def paths(space, settings):
    """{name: path} of what the contestants of one net and one dataset are given."""
    templates = {
        "source": "data/datasets/${dataset}",
        "raw": "data/raw/${dataset}",
        "index": INDEX,
        "card": "models/cards/${net}.yaml",
        "weights": "models/weights/${net}",
        "backbone": "models/backbones/${net}",
    }
    return {name: space.at(template, settings) for name, template in templates.items()}


def call(space, module, settings, names, options=None):
    """What `python -m bench.<module>` prints as JSON, given those of `paths` that are `names` and
    `options`, {name: value or list of values}."""
    found = paths(space, settings)
    words = []
    for name, value in ({name: found[name] for name in names} | (options or {})).items():
        words += [f"--{name}", *(value if isinstance(value, list) else [value])]
    command = [sys.executable, "-m", f"bench.{module}", *words]
    env = workspaces.environment(Path(space.folder, "no-store"))
    return json.loads(processes.run(command, cwd=space.folder, env=env).out)


def available(space, names, store):
    """{name: (rows, seconds of index)} of those of the datasets `names` that can be had; the
    rendered sample where none can.  What is left out is told on stderr."""
    found = {}
    for name in names:
        try:
            fetched(space, name)
        except CommandError as fault:
            print(f"{name} is left out: {fault}", file=sys.stderr)
        else:
            found[name] = indexed(space, name, store / name)
    if not found:
        fetched(space, "sample")
        found["sample"] = indexed(space, "sample", store / "sample")
    return found
