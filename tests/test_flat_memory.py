"""Memory that does not grow with the number of images: extraction, train and evaluate."""

import functools
import hashlib
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest

from stages import evaluate, train
from tests.evaluated import PATHS
from tests.examples import RECIPE, fitted
from tests.imports import ROOT
from tests.tracing import peak
from transfer.datasets import index
from transfer.features import pictures
from transfer.features.store import keys, stock, store, supply
from transfer.heads import trained
from transfer.packs import writer
from transfer.reports import maps

MOST = 200  # bytes an image, beyond what any run takes
FEW, MANY, D = 4_000, 12_000, 16
C = 64  # so many that probabilities [N, C] would be told
SOURCE = """layout: pickled
classes: [{}]
files: [{{name: all.p, url: "https://localhost/all.p", sha256: "{}"}}]
"""


def write(path, n, d=D, c=C, first=0):
    """A pack of n rows, two of each group, ties among them; returns its ids, groups and labels."""
    rng = np.random.default_rng(first)
    labels = rng.integers(0, c, n)
    ids = np.array([f"all/{i:05d}" for i in range(first, first + n)])
    groups = np.array([f"the track with the long name {i // 2:09d}" for i in range(n)])
    blocks = (
        rng.normal(size=(min(1000, n - i), d)).astype(np.float32).round(1)
        for i in range(0, n, 1000)
    )
    classes = [f"class {k}" for k in range(c)]
    rest = {"labels": labels, "ids": ids, "groups": groups, "classes": classes, "recipe": RECIPE}
    writer.write(path, features=blocks, shape=(n, d), **rest)
    return ids, groups, [classes[y] for y in labels]


def prepare(folder, n):
    """The inputs of evaluate: n images of validation, a few of training and test."""
    sizes, first = {"train": 100, "validation": n, "test": 50}, 0
    folder.mkdir()
    with (folder / "index.csv").open("w") as file:
        file.write(",".join(index.COLUMNS) + "\n")
        for part, size in sizes.items():
            columns = write(folder / f"{part}.p", size, first=first)
            file.writelines(
                f"{id_},all.p:{int(id_[4:])},{label},{part},{group},-,\n"
                for id_, group, label in zip(*columns, strict=True)
            )
            first += size
    for name in ("images", "raw", "models"):
        (folder / name).mkdir()
    names = ", ".join(f"c{k}" for k in range(C))
    (folder / "images/source.yaml").write_text(SOURCE.format(names, "a" * 64))
    (folder / "raw/manifest.json").write_text('{"origin": "published", "files": []}')
    images = {"features": np.zeros((first, 1, 1, 3), np.uint8), "labels": np.zeros(first, np.uint8)}
    (folder / "raw/all.p").write_bytes(pickle.dumps(images))
    kernel = np.random.default_rng(5).normal(size=(D, C)).astype(np.float32)
    arrays = {"kernel_0": kernel, "bias_0": np.zeros(C, np.float32)}
    about = vars(fitted(epochs=1)) | {"arrays": arrays, "classes": [f"class {k}" for k in range(C)]}
    trained.Head(**about).save(folder / "models/head.npz")


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    head = "kind: mlp, epochs: 2, batch_size: 256, seed: 0, hidden: 4, initializer: glorot_uniform"
    head += ", transform: auto, strength: auto, neighbours: auto"
    head += ", folds: 5, class_weights: none, upto: auto, rate: auto"
    (tmp_path / "params.yaml").write_text(f"head: {{{head}}}\nsplit: {{per_class: 9}}\n")
    return tmp_path


@pytest.mark.parametrize("names", [["plain"], ["plain", "contrast", "flipped"]], ids=len)
def test_extraction_takes_few_bytes_an_image(tmp_path, monkeypatch, names):
    """All but reading and the network, for which numbers stand in."""
    for module, name in ((supply, "BLOCK"), (supply, "COMMIT"), (stock, "LOOK")):
        monkeypatch.setattr(module, name, 512)  # so small that they are full

    class Rows:
        """Made anew at each iteration, as they are read from a file."""

        def __init__(self, n):
            self.n = n

        def __iter__(self):
            for i in range(self.n):
                sha256 = hashlib.sha256(str(i).encode()).hexdigest()
                yield index.Row(f"images/{i:06d}", f"m{i:06d}", str(i % 9), "train", "g", sha256)

    def compute(lacking, views_of):
        everything = functools.reduce(np.union1d, lacking)
        for start in range(0, len(everything), 16):
            places = everything[start : start + 16].tolist()
            asked = [(view, place) for place in places for view in views_of(place)]
            yield asked, np.ones((len(asked), D), np.float32)

    wanted = [keys.RecipeKey(two * 32, "{}") for two in ("ab", "cd", "ef")][: len(names)]
    recipe = RECIPE | {"views": names}

    def run(name, n):
        found, parts, classes = pictures.listed(Rows(n))
        part = parts[0]
        with (
            store.opened(tmp_path / name) as features,
            supply.Supply(features, wanted, found.contents, compute, tmp_path) as supplied,
        ):
            supplied.fill()
            first, *others = (supplied.blocks(i, part.places, D) for i in range(len(names)))
            rest = {"ids": part.ids, "groups": part.groups, "classes": classes, "recipe": recipe}
            rest |= {"labels": part.labels, "further": dict(zip(names[1:], others, strict=True))}
            writer.write(tmp_path / f"{name}.p", features=first, shape=(n, D), **rest)

    few, many = (peak(lambda n=n: run(str(n), n)) for n in (1000, 5000))
    assert (many - few) / 4000 < MOST


def test_evaluate_takes_few_bytes_an_image(workspace, monkeypatch):
    monkeypatch.setattr(maps, "MOST", 40)  # t-SNE of 1,000 takes seconds and tells nothing here

    def run(folder):
        evaluate.main(**{name: folder / path for name, path in PATHS.items()})

    for name, n in (("warm", 300), ("few", FEW), ("many", MANY)):
        prepare(workspace / name, n)
    run(workspace / "warm")  # what is imported late
    few, many = (peak(lambda name=name: run(workspace / name)) for name in ("few", "many"))
    assert (many - few) / (MANY - FEW) < MOST
    lines = (workspace / "many/reports/predictions.csv").read_text().count("\n")
    assert lines == 1 + MANY + 50


def test_train_takes_few_bytes_an_image(workspace):
    write(workspace / "validation.p", 2000)

    def run(name):
        validation = workspace / "validation.p"
        train.main(workspace / f"{name}.p", validation, *UNUSED, workspace / f"{name}.npz")

    for name, n in (("warm", 300), ("few", FEW), ("many", MANY)):
        write(workspace / f"{name}.p", n)
    run("warm")
    few, many = (peak(lambda name=name: run(name)) for name in ("few", "many"))
    assert (many - few) / (MANY - FEW) < MOST


LIMITED = """
import pathlib, resource, sys
import numpy as np
from stages import train
from transfer.packs import reader

np.ones((500, 500)) @ np.ones((500, 500))  # OpenBLAS takes its own memory once and keeps it
(held,) = (line.split()[1] for line in open("/proc/self/status") if line.startswith("VmData:"))
limit = int(held) * 1024 + int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
paths = [pathlib.Path(name) for name in ("train.p", "validation.p", "head.npz")]
features = reader.read(paths[0]).features
try:
    features.copy()
except MemoryError:
    print("a copy of the pack does not fit")
train.main(*paths[:2], None, None, None, None, None, paths[2])
"""
UNUSED = (None,) * 5  # what a fine-tuned network alone is made of


def test_a_head_trains_from_a_pack_larger_than_memory(workspace):
    # The limit is on private memory; what is mapped from a file is not of it.
    write(workspace / "train.p", 40_000, d=256)
    write(workspace / "validation.p", 10_000, d=256)
    size = (workspace / "train.p").stat().st_size
    words = [sys.executable, "-c", LIMITED, str(size // 2)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
    run = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    said = run.stdout.splitlines()
    assert said[0] == "a copy of the pack does not fit"
    assert said[1].startswith(
        "train: mlp head on mini features of sample, untrained: 40,000 images"
    )
    assert (workspace / "head.npz").is_file()
