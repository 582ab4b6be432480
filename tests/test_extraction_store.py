"""The stage `extract` with its store: what was computed once is not computed again, and packs are
the same bytes whatever came from where."""

import random
import re
import shutil
import time

import numpy as np
import pytest

from tests import extracting
from tests.extracting import (
    ALONE,
    CLASSES,
    OFTEN,
    PARTS,
    STAGE,
    N,
    Run,
    committed,
    paint,
    write_index,
)
from tests.imports import ROOT
from transfer.datasets import index
from transfer.nets import cards
from transfer.packs import reader

MINI = cards.load(ROOT / cards.CARDS / "mini.yaml")
MULTI = sum({"block2": 128, "block3": 160, "block4": 160, "features": 512}[n] for n in MINI.multi)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return extracting.workspace(tmp_path_factory.mktemp("extract"))


@pytest.fixture(scope="module")
def undisturbed(made):
    return extracting.first(made)


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
