"""The stage `extract` with its store: what was computed once is not computed again, and packs are
the same bytes whatever came from where."""

import os
import random
import re
import shutil
import sqlite3
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from tests.imports import ROOT
from tests.test_features import convert
from transfer.datasets import index, sources, survey
from transfer.datasets.reading import readers
from transfer.features.store.database import NAME
from transfer.nets import cards
from transfer.packs import reader

MINI = cards.load(ROOT / cards.CARDS / "mini.yaml")
MULTI = sum({"block2": 128, "block3": 160, "block4": 160, "features": 512}[n] for n in MINI.multi)

EACH, CLASSES = 280, ("ash", "birch", "cedar", "elm")
N = EACH * len(CLASSES)
PARTS = ("train", "validation", "test")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A workspace with a backbone of mini and N small noisy pictures, indexed."""
    folder = tmp_path_factory.mktemp("extract")
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


@pytest.fixture(scope="module")
def undisturbed(made):
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


def test_what_is_stored_gives_the_same_bytes_without_the_network(made, undisturbed):
    packs, store = undisturbed
    again = Run(made, "again", store)
    assert again.end() == (N, 0, "")
    assert again.packs() == packs
    rows = {row.id: row for row in index.read(made / "index.csv")}
    for part in PARTS:
        pack = reader.read(made / f"again/{part}.p")
        assert {rows[id_].split for id_ in pack.ids} == {part}
        assert pack.features.shape[1] == MINI.features
        assert len(np.unique(pack.features, axis=0)) == len(pack.features)


def test_without_a_store_the_bytes_are_the_same_and_a_line_says_so(made, undisturbed, tmp_path):
    run = Run(made, "without", "/proc/store")  # where no one can make a folder
    from_store, computed, err = run.end()
    assert (from_store, computed) == (0, N)
    assert err.count("\n") == 1
    assert "features are computed without it" in err
    assert run.packs() == undisturbed[0]


def test_kill_9_at_any_moment_and_nothing_committed_is_computed_again(made, undisturbed, tmp_path):
    moments = random.Random(11)
    for _ in range(3):
        before = committed(tmp_path)
        run = Run(made, "killed", tmp_path, start=OFTEN)
        while committed(tmp_path) <= before and run.process.poll() is None:
            time.sleep(0.002)
        time.sleep(moments.random() / 10)
        run.process.kill()
        run.process.communicate()
    before = committed(tmp_path)
    assert 0 < before < N
    run = Run(made, "killed", tmp_path)
    assert run.end() == (before, N - before, "")
    assert run.packs() == undisturbed[0]


def test_four_at_once_compute_about_once_and_agree(made, undisturbed, tmp_path):
    runs = [Run(made, f"four{i}", tmp_path) for i in range(4)]
    told = [run.end() for run in runs]
    assert N <= sum(computed for _, computed, _ in told) <= 1.3 * N
    assert all(run.packs() == undisturbed[0] for run in runs)


def test_moved_copied_and_new_images_cost_the_new_ones_alone(made, undisturbed):
    _, store = undisturbed
    shutil.copytree(made / "pictures", made / "more")
    for number, path in enumerate(sorted((made / "more").rglob("*.png"))):
        path.rename(path.with_name(f"moved{number}.png"))
    first = next((made / "more/ash").iterdir())
    shutil.copy(first, first.with_name("copied.png"))
    rng = np.random.default_rng(9)
    for number in range(11):
        paint(made / f"more/elm/new{number}.png", rng)
    write_index(made, "more", "more.csv")
    run = Run(made, "grown", store, "more", "more.csv")
    assert run.end() == (N, 11, "")


def test_an_image_that_was_changed_after_it_was_indexed(made, undisturbed):
    _, store = undisturbed
    shutil.copytree(made / "pictures", made / "changed")
    paint(made / "changed/ash/new.png", np.random.default_rng(10))
    write_index(made, "changed", "changed.csv")
    paint(made / "changed/ash/new.png", np.random.default_rng(11))
    run = Run(made, "refused", store, "changed", "changed.csv")
    out, err = run.process.communicate()
    assert (run.process.returncode, out) == (1, "")
    (line,) = err.splitlines()
    assert line.startswith("error: ash/new.png is not the image that was indexed: ")
    assert not (made / "refused/train.p").exists()


@pytest.fixture
def few(made):
    """A small part of the pictures, of which mirrored ones keep their label; how many they are.
    Gives a function from names of views, layers and how to start to the ended Run."""
    each, folder = 9, made / "few"
    if not folder.exists():
        for name in CLASSES:
            (folder / name).mkdir(parents=True)
            for path in sorted((made / "pictures" / name).iterdir())[:each]:
                shutil.copy(path, folder / name)
        (folder / "source.yaml").write_text("flip: true\n")
        write_index(made, "few", "few.csv")
    before = (made / "params.yaml").read_text()

    def run(out, store, views, layers="[block2:4]", start=STAGE):
        text = re.sub(r"(?m)^  views: .*", f"  views: [{', '.join(views)}]", before)
        text = re.sub(r"(?m)^  layers: .*", f"  layers: {layers}", text)
        (made / "params.yaml").write_text(text)
        started = Run(made, out, store, "few", "few.csv", start)
        return started, started.end()

    yield each * len(CLASSES), run
    (made / "params.yaml").write_text(before)


def viewed(run):
    """{(part, view): features} of a run's packs."""
    packs = {part: reader.read(run.out / f"{part}.p") for part in PARTS}
    return {
        (part, name): view
        for part, pack in packs.items()
        for name, view in zip(pack.recipe["views"], pack.views, strict=True)
    }


def test_another_view_costs_its_own_passes_alone(made, few, tmp_path):
    n, run = few
    plain, told = run("plain", tmp_path, ["plain"])
    assert told == (0, n, "")
    both, told = run("both", tmp_path, ["contrast", "plain"])
    assert told == (n, n, "")
    three, told = run("three", tmp_path, ["plain", "flipped", "contrast"])
    assert told == (2 * n, n, "")
    again, told = run("again3", tmp_path, ["plain", "flipped", "contrast"])
    assert (told, again.packs()) == ((3 * n, 0, ""), three.packs())
    found = viewed(three)
    for other in (plain, both):
        for key, view in viewed(other).items():
            np.testing.assert_array_equal(view, found[key])
    for part in PARTS:
        one, two, other = (found[part, name] for name in ("plain", "flipped", "contrast"))
        assert len(one) > 0
        assert not (one == two).all(axis=1).any()
        assert not (one == other).all(axis=1).any()


def test_views_are_the_same_bytes_whatever_the_threads(few, tmp_path):
    n, run = few
    views, layers = ["contrast", "flipped"], "multi"
    usual, told = run("usual", tmp_path / "one", views, layers)
    assert told == (0, 2 * n, "")
    alone, told = run("alone", tmp_path / "two", views, layers, ALONE)
    assert told == (0, 2 * n, "")
    assert usual.packs() == alone.packs()
    found = viewed(usual)
    assert {view.shape[1] for view in found.values()} == {MULTI}
