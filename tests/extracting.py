"""The stage `extract` in processes of its own, in a workspace with a network and pictures."""

import os
import re
import sqlite3
import subprocess
import sys

import numpy as np
from PIL import Image

from tests.imports import ROOT
from tests.test_features import convert
from transfer.datasets import index, sources, survey
from transfer.datasets.reading import readers
from transfer.features.store.database import NAME
from transfer.nets import cards

EACH, CLASSES = 280, ("ash", "birch", "cedar", "elm")
N = EACH * len(CLASSES)
PARTS = ("train", "validation", "test")


def workspace(folder):
    """`folder`, made a workspace with a backbone of mini and N small noisy pictures, indexed."""
    (folder / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    backbone = folder / "backbones/mini"
    backbone.mkdir(parents=True)
    convert(cards.load(cards.CARDS / "mini.yaml"), backbone)
    about = backbone / "backbone.json"
    about.write_text(about.read_text().replace('"seed": 0', '"origin": "untrained", "seed": 0'))
    rng = np.random.default_rng(3)
    for number in range(N):
        paint(folder / f"pictures/{CLASSES[number % 4]}/{number}.png", rng)
    write_index(folder, "pictures", "index.csv")
    return folder


def paint(path, rng):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(rng.integers(0, 256, (20, 20, 3), np.uint8)).save(path)


def write_index(folder, pictures, name):
    source = sources.load(folder / pictures)
    found = readers.read(source, folder / pictures, folder)
    drawn = {"per_class": "all", "validation": 0.2, "test": 0.1, "seed": 0}
    rows, _ = survey.build(found, source, strict=False, by="group", **drawn)
    index.write(folder / name, rows)


STAGE = ["-m", "stages.extract"]
# The same with commits so small that a run of this size has many.
OFTEN = [
    "-c",
    "import runpy; from transfer.features.store import supply; supply.COMMIT = 64; "
    "runpy.run_module('stages.extract', run_name='__main__', alter_sys=True)",
]


# On one core, with one thread that decodes.
ALONE = [
    "-c",
    "import os, runpy; os.cpu_count = lambda: 1; "
    "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); "
    "runpy.run_module('stages.extract', run_name='__main__', alter_sys=True)",
]


class Run:
    """`python -m stages.extract` in a process of its own, its packs in `out`."""

    def __init__(self, made, out, store, pictures="pictures", rows="index.csv", start=STAGE):
        self.out = made / out
        given = {
            "source": pictures,
            "raw": ".",
            "index": rows,
            "card": cards.CARDS.resolve() / "mini.yaml",
            "weights": "weights/mini",
            "backbone": "backbones/mini",
            **{part: f"{out}/{part}.p" for part in PARTS},
            **{f"{part}_cut": f"{out}/{part}_cut" for part in PARTS},
        }
        words = [word for name, path in given.items() for word in (f"--{name}", str(path))]
        self.process = subprocess.Popen(
            [sys.executable, *start, *words],
            cwd=made,
            env=os.environ | {"PYTHONPATH": str(ROOT), "TRANSFER_STORE": str(store)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def end(self):
        """(pictures that came from the store, computed, what was on stderr)."""
        out, err = self.process.communicate()
        assert self.process.returncode == 0, err
        told = re.search(r"; of [\d,]+ .*pictures ([\d,]+) came .*, ([\d,]+) were computed", out)
        return (*(int(count.replace(",", "")) for count in told.groups()), err)

    def packs(self):
        return [(self.out / f"{part}.p").read_bytes() for part in PARTS]


def first(made):
    """(packs, store) of a first run with an empty store."""
    run = Run(made, "first", made / "store")
    assert run.end()[:2] == (0, N)
    return run.packs(), made / "store"


def committed(store):
    """How many features a reader of the store sees now."""
    if not (store / NAME).is_file():
        return 0
    base = sqlite3.connect(store / NAME, timeout=60)
    try:
        return base.execute("SELECT count(*) FROM features").fetchone()[0]
    except sqlite3.OperationalError:  # it is being made
        return 0
    finally:
        base.close()
