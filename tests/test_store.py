"""The feature store: what is kept comes back, what is damaged or another's never does."""

import contextlib
import copy
import dataclasses
import functools
import hashlib
import itertools
import json
import os
import random
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from tests.imports import ROOT
from tests.test_command import command
from transfer.datasets.reading import decoder
from transfer.downloads.kept import store_folder
from transfer.errors import InputError
from transfer.features import rules
from transfer.features.announced import Announced
from transfer.features.choices import Choice
from transfer.features.recipe import recipe
from transfer.features.store import claims, database, keys, store, upkeep
from transfer.features.store.database import NAME
from transfer.features.store.supply import CLAIM, COMMIT, Supply
from transfer.nets import cards

D = 24
ABOUT = {"net": "mini", "graph": "ab12", "weights": {"origin": "published", "sha256": "cd34"}}
CPU = Announced({"openvino": "1.0"}, "cpu", "bf16", 16)
CHOICE = Choice((("block2", 4),), 96, ("plain",), "bf16", "openvino")
MINI = cards.load(cards.CARDS / "mini.yaml")
RECIPE = recipe(MINI, ABOUT, CPU, CHOICE) | {"source": {"net": "mini", "dataset": "a"}}
KEY = keys.of_recipe(RECIPE, "plain")


def image(number):
    return hashlib.sha256(str(number).encode()).digest()


def feature(name):
    """float32 [D] that the image's content decides."""
    return np.frombuffer(hashlib.shake_128(name).digest(D), np.uint8).astype(np.float32)


def features(names):
    return np.stack([feature(name) for name in names])


def read(kept, names, key=KEY):
    out = np.full((len(names), D), -1, np.float32)
    return kept.read(key, names, out), out


@pytest.fixture
def names():
    return [image(i) for i in range(40)]


@pytest.fixture
def full(tmp_path, names):
    """A folder with the store of the features of `names`."""
    with store.opened(tmp_path) as kept:
        assert kept.write(KEY, names, features(names))
    return tmp_path


def base(folder):
    return sqlite3.connect(folder / NAME, isolation_level=None)


def test_what_is_written_is_read_in_any_order(full, names, capfd):
    with store.opened(full) as kept:
        asked = [names[7], image("new"), names[3], names[7]]
        found, out = read(kept, asked)
        assert found.tolist() == [True, False, True, True]
        np.testing.assert_array_equal(out[[0, 2, 3]], features([names[7], names[3], names[7]]))
        assert (out[1] == -1).all()
        assert kept.missing(KEY, [image("b"), *names, image("a"), image("b")]) == [
            image("b"),
            image("a"),
        ]
        assert kept.length(KEY) == D
    assert capfd.readouterr().err == ""


def test_what_is_not_there_leaves_its_rows_even_where_it_is_asked_for_twice(full, names):
    with store.opened(full) as kept:
        out = np.arange(4 * D, dtype=np.float32).reshape(4, D)
        before = out.copy()
        found = kept.read(KEY, [image("new"), names[3], image("new"), names[3]], out)
        assert found.tolist() == [False, True, False, True]
        np.testing.assert_array_equal(out[[0, 2]], before[[0, 2]])
        np.testing.assert_array_equal(out[[1, 3]], features([names[3], names[3]]))


def test_what_is_there_stays(full, names):
    with store.opened(full) as kept:
        assert kept.write(KEY, names[:2], features(names[:2]) + 1)
        np.testing.assert_array_equal(read(kept, names)[1], features(names))


def leaves(tree, path=()):
    items = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in items:
        if isinstance(value, dict | list):
            yield from leaves(value, (*path, key))
        else:
            yield (*path, key)


def altered(path):
    """The recipe with another value in the one place `path`."""
    tree = copy.deepcopy(RECIPE)
    place = tree
    for key in path[:-1]:
        place = place[key]
    value = place[path[-1]]
    place[path[-1]] = value + 1 if isinstance(value, int | float) else f"{value}x"
    return tree


DECIDING = [path for path in leaves(RECIPE) if path[0] not in ("source", "views")]


def test_the_recipe_has_the_fields_that_decide():
    assert {path[0] for path in DECIDING} == set(RECIPE) - {"source", "views"}
    assert ("versions", "openvino") in DECIDING
    assert ("versions", "decoder") in DECIDING
    assert ("pixels", "mean", 2) in DECIDING


@pytest.mark.parametrize("path", DECIDING, ids=lambda path: ".".join(map(str, path)))
def test_each_field_changes_the_key_and_serves_nothing_old(path, full, names):
    other = keys.of_recipe(altered(path), "plain")
    assert other.sha256 != KEY.sha256
    with store.opened(full) as kept:
        assert kept.missing(other, names) == names
        assert kept.length(other) is None
        assert not read(kept, names, other)[0].any()


def test_layers_computed_beside_another_are_others():
    both = {**RECIPE, "layers": ["block2:4", "block4"]}
    assert keys.of_recipe(both, "plain") != KEY
    assert keys.of_recipe({**both, "layers": both["layers"][::-1]}, "plain") != keys.of_recipe(
        both, "plain"
    )


def test_names_and_other_views_do_not_change_the_key():
    for path in [("source", "net"), ("source", "dataset")]:
        assert keys.of_recipe(altered(path), "plain") == KEY
    reordered = dict(reversed(RECIPE.items()))
    assert keys.of_recipe(reordered, "plain") == KEY
    assert keys.of_recipe({**RECIPE, "views": ["plain", "flipped"]}, "plain") == KEY
    assert keys.of_recipe({**RECIPE, "views": ["plain", "flipped"]}, "flipped") != KEY


def test_the_constants_of_a_views_rule_change_its_key_alone():
    several = dataclasses.replace(CHOICE, views=("contrast", "plain", "flipped"))
    made = recipe(MINI, ABOUT, CPU, several)
    assert made["rules"] == {"contrast": {"mean": rules.MEAN, "sd": rules.SD, "least": rules.LEAST}}
    for name in ("mean", "sd", "least"):
        other = copy.deepcopy(made)
        other["rules"]["contrast"][name] += 1
        assert keys.of_recipe(other, "contrast") != keys.of_recipe(made, "contrast")
        for view in ("plain", "flipped"):
            assert keys.of_recipe(other, view) == keys.of_recipe(made, view)
    # What was kept before there were other views stays good.
    assert keys.of_recipe(made, "plain") == KEY
    decides = {k: v for k, v in RECIPE.items() if k not in ("source", "views")} | {"view": "plain"}
    assert json.loads(KEY.text) == decides


@pytest.mark.parametrize(
    "changed",
    [
        {"card": dataclasses.replace(MINI, resize="nearest")},
        {"card": dataclasses.replace(MINI, crop="centre")},
        {"card": dataclasses.replace(MINI, pixels=dataclasses.replace(MINI.pixels, order="bgr"))},
        {"about": ABOUT | {"weights": {"origin": "published", "sha256": "ffff"}}},
        {"about": ABOUT | {"weights": {"origin": "untrained", "seed": 0}}},
        {"about": ABOUT | {"graph": "ffff"}},
        {"engine": dataclasses.replace(CPU, precision="f32")},
        {"engine": dataclasses.replace(CPU, precision="int8")},
        {
            "choice": dataclasses.replace(CHOICE, precision="int8"),
            "about": ABOUT | {"quantised": "dddd"},
        },
        {"engine": dataclasses.replace(CPU, versions={"openvino": "1.1"})},
        {"choice": dataclasses.replace(CHOICE, layers=(("block2", 3),))},
        {"choice": dataclasses.replace(CHOICE, size=97)},
        {"choice": dataclasses.replace(CHOICE, engine="keras")},
    ],
    ids=str,
)
def test_what_changes_in_card_weights_and_device_changes_the_key(changed):
    given = {"card": MINI, "about": ABOUT, "engine": CPU, "choice": CHOICE} | changed
    assert keys.of_recipe(recipe(**given), "plain") != KEY


def test_another_decoder_changes_the_key(monkeypatch):
    monkeypatch.setattr(decoder, "VERSION", "pillow 0, rules 0")
    assert keys.of_recipe(recipe(MINI, ABOUT, CPU, CHOICE), "plain") != KEY


@pytest.mark.parametrize("value", ["zeroblob(96)", "zeroblob(92)", "NULL", "'text'", "12"])
def test_a_damaged_value_is_never_read_back(full, names, value, capfd):
    with base(full) as direct:
        direct.execute(f"UPDATE features SET value = {value} WHERE id = 5")
    with store.opened(full) as kept:
        found, out = read(kept, names)
        assert np.flatnonzero(~found).tolist() == [4]
        assert (out[4] == -1).all()
        assert kept.missing(KEY, names) == [names[4]]
        assert kept.write(KEY, [names[4]], features([names[4]]))
        assert read(kept, names)[0].all()
    assert capfd.readouterr().err.count("held 1 damaged features") == 1


def test_a_value_under_anothers_name_is_never_read_back(full, names):
    with base(full) as direct:
        direct.execute("UPDATE features SET value = (SELECT value FROM features WHERE id = 9)")
    with store.opened(full) as kept:
        assert np.flatnonzero(read(kept, names)[0]).tolist() == [8]


def garble(path, start=0, length=None):
    data = bytearray(path.read_bytes())
    end = len(data) if length is None else start + length
    data[start:end] = random.Random(0).randbytes(end - start)
    path.write_bytes(data)


def cut(path):
    os.truncate(path, path.stat().st_size // 2)


def others(path):
    path.unlink()
    with sqlite3.connect(path) as direct:
        direct.execute("CREATE TABLE features (a, b)")


def tables(path):
    """All but the list of the tables and the map of the pages."""
    garble(path, 2 * 65536)


@pytest.mark.parametrize("harm", [garble, cut, others, tables])
def test_a_damaged_file_is_set_aside_and_filled_anew(full, names, harm, capfd):
    harm(full / NAME)
    with store.opened(full) as kept:
        found, out = read(kept, names)
        np.testing.assert_array_equal(out[found], features(names)[found])
        lacking = kept.missing(KEY, names)
        assert lacking == names
        assert kept.write(KEY, names, features(names))
        np.testing.assert_array_equal(read(kept, names)[1], features(names))
    err = capfd.readouterr().err
    assert err.count("\n") == 1
    assert "was damaged (" in err
    assert (full / NAME).with_suffix(".damaged").exists()


def test_a_file_that_is_damaged_or_removed_while_it_is_open(full, names, capfd):
    with store.opened(full) as one, store.opened(full) as two:
        garble(full / NAME)
        for kept in (one, two, one):
            assert kept.missing(KEY, names[:3]) in (names[:3], [])
            assert kept.write(KEY, names[:3], features(names[:3]))
            assert read(kept, names[:3])[0].all()
        assert capfd.readouterr().err.count("was damaged") == 1
        (full / NAME).unlink()
        assert kept.missing(KEY, names) == names
        assert kept.write(KEY, names, features(names))
        assert read(two, names)[0].all()
    assert capfd.readouterr().err == ""


def test_where_no_file_can_be_all_is_computed(tmp_path, names, capfd):
    (tmp_path / "file").write_text("")
    with store.opened(tmp_path / "file" / "below") as kept:
        assert kept.missing(KEY, [*names, names[0]]) == names
        assert kept.claim(KEY, names) == set(names)
        assert not kept.write(KEY, names, features(names))
        assert not read(kept, names)[0].any()
    err = capfd.readouterr().err
    assert err.count("\n") == 1
    assert "can't be used (" in err
    assert "features are computed without it" in err


FULL_DISK = """
import resource, sys
from tests.test_store import *
folder = Path(sys.argv[1])
size = (folder / NAME).stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 70000, size + 70000))
names = [image(i) for i in range(40)]
many = [image(f"x{i}") for i in range(20000)]
with store.opened(folder) as kept:
    assert not kept.write(KEY, many, features(many))
    assert not kept.write(KEY, many[:1], features(many[:1]))
    assert kept.claim(KEY, many) == set(many)
    assert read(kept, names)[0].all()
    assert not read(kept, many)[0].any()
"""


def run(code, *words, **more):
    code = f"from pathlib import Path\n{code}"
    command = [sys.executable, "-c", code, *map(str, words)]
    return subprocess.Popen(command, cwd=ROOT, text=True, stderr=subprocess.PIPE, **more)


def test_a_full_disk_is_told_once_and_what_is_there_is_read(full, names):
    process = run(FULL_DISK, full)
    err = process.communicate()[1]
    assert process.returncode == 0, err
    assert err.count("\n") == 1
    assert "can't be written (" in err
    with store.opened(full) as kept:
        assert read(kept, names)[0].all()


MOUNTED = """
mount -t tmpfs tmpfs "$1" && "$2" -c "$3" "$1" && mount -o remount,ro "$1" && "$2" -c "$4" "$1"
"""
FILLED = """
import sys
from tests.test_store import *
names = [image(i) for i in range(40)]
with store.opened(sys.argv[1]) as kept:
    assert kept.write(KEY, names, features(names))
"""
READ = """
import sys
from tests.test_store import *
names = [image(i) for i in range(40)]
with store.opened(sys.argv[1]) as kept:
    assert read(kept, names)[0].all()
    assert kept.missing(KEY, names) == []
    assert not kept.write(KEY, [image("new")], features([image("new")]))
assert "40 features of 1 recipe," in upkeep.answer("stat", sys.argv[1])[1]
assert upkeep.answer("verify", sys.argv[1])[0].startswith("40 features are sound")
"""


def test_a_store_on_a_read_only_file_system_is_read(tmp_path):
    own = ["unshare", "--mount"]
    may = [*own, "mount", "-t", "tmpfs", "tmpfs", str(tmp_path)]
    quiet = {"capture_output": True, "text": True}
    if not shutil.which("unshare") or subprocess.run(may, check=False, **quiet).returncode:
        pytest.skip("this user may not mount a file system")
    words = ["sh", "-c", MOUNTED, "sh", str(tmp_path), sys.executable, FILLED, READ]
    done = subprocess.run([*own, *words], check=False, cwd=ROOT, **quiet)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("can't be written (") == done.stderr.count("\n") == 1


WRITER = """
import itertools, sys
from tests.test_store import *
with store.opened(sys.argv[1]) as kept:
    for batch in itertools.count(int(sys.argv[2])):
        names = [image(f"{batch}/{i}") for i in range(64)]
        assert kept.write(KEY, names, features(names))
        print(batch, flush=True)
"""


def test_a_killed_writer_loses_nothing_committed_and_leaves_nothing_torn(tmp_path):
    moments, start = random.Random(5), 0
    for _ in range(3):
        writer = run(WRITER, tmp_path, start, stdout=subprocess.PIPE)
        for _ in range(moments.randrange(2, 12)):
            writer.stdout.readline()
        time.sleep(moments.random() / 50)
        writer.kill()
        told, err = writer.communicate()
        assert err == ""
        start = int(told.split()[-1]) + 1 if told.split() else start + 12
    with store.opened(tmp_path) as kept:
        assert kept.length(KEY) == D
        for batch in range(start):
            names = [image(f"{batch}/{i}") for i in range(64)]
            found, out = read(kept, names)
            assert found.all() or not found.any()
            np.testing.assert_array_equal(out[found], features(names)[found])
        with base(tmp_path) as direct:
            assert direct.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def other_owner(folder, owner, until=60):
    with base(folder) as direct:
        direct.execute("UPDATE claims SET owner = ?, until = ?", (owner, time.time() + until))


def test_claims_are_of_one_owner_until_written_or_ended(tmp_path, names):
    with store.opened(tmp_path) as one, store.opened(tmp_path) as two:
        assert one.claim(KEY, names[:3]) == set(names[:3])
        assert two.claim(KEY, names[:5]) == set(names[3:5])
        assert one.claim(KEY, names[:5]) == set(names[:3])
        assert one.write(KEY, names[:1], features(names[:1]))
        assert two.claim(KEY, names[:5]) == set(names[3:5])
        one.__exit__()
        assert two.claim(KEY, names[:5]) == set(names[1:5])


@pytest.mark.parametrize(
    ("owner", "until", "ours"),
    [
        (f"{socket.gethostname()} {{dead}} x", 60, True),
        (f"{socket.gethostname()} 1 x", 60, False),
        (f"{socket.gethostname()} 1 x", -1, True),
        ("elsewhere {dead} x", 60, False),
        ("elsewhere 1 x", -1, True),
    ],
)
def test_claims_of_the_dead_end(tmp_path, names, owner, until, ours):
    gone = subprocess.Popen(["true"])
    gone.wait()
    with store.opened(tmp_path) as one, store.opened(tmp_path) as two:
        one.claim(KEY, names[:2])
        other_owner(tmp_path, owner.format(dead=gone.pid), until)
        assert two.claim(KEY, names[:2]) == (set(names[:2]) if ours else set())


@contextlib.contextmanager
def supplying(folder, names, compute, scratch, keys_=(KEY,)):
    with (
        store.opened(folder) as kept,
        Supply(kept, keys_, np.array(names, "V32"), compute, scratch) as supply,
    ):
        yield supply


def supplied(folder, names, compute, scratch):
    """(features of the different `names`, how many were computed) of a run."""
    with supplying(folder, names, compute, scratch) as supply:
        supply.fill()
        return everything(supply, names), supply.computed


def everything(supply, names):
    return np.concatenate(list(supply.blocks(0, np.arange(len(names)), D)))


def computing(names, done, pause=0.0):
    """A stand-in for reader and network; what it computes is added to `done`."""

    def compute(lacking, views_of):
        (places,) = lacking
        mine = (place for place in places.tolist() if views_of(place) == [0])
        while batch := list(itertools.islice(mine, 16)):
            time.sleep(pause)
            found = [names[place] for place in batch]
            done.extend(found)
            yield [(0, place) for place in batch], features(found)

    return compute


def test_supply_computes_once_and_then_nothing(tmp_path):
    names, done = [image(i) for i in range(700)], []
    for expected in (700, 0):
        out, computed = supplied(tmp_path / "s", names, computing(names, done), tmp_path)
        np.testing.assert_array_equal(out, features(names))
        assert computed == expected
    assert sorted(done) == sorted(names)
    more = [image("new"), *names]
    out, computed = supplied(tmp_path / "s", more, computing(more, done), tmp_path)
    assert computed == 1
    np.testing.assert_array_equal(out, features(more))
    assert list(tmp_path.iterdir()) == [tmp_path / "s"]


def test_blocks_come_in_any_order_and_as_often_as_asked(full, names):
    with supplying(full, names, None, full) as supply:
        asked = np.array([7, 3, 39, 7, 0], np.int32)
        (block,) = supply.blocks(0, asked, D)
        np.testing.assert_array_equal(block, features([names[place] for place in asked]))
        assert list(supply.blocks(0, asked[:0], D)) == []


@pytest.mark.parametrize("moment", ["before", "first", "filled"])
def test_a_store_that_fails_or_is_emptied_in_the_middle_loses_no_run(tmp_path, moment, capfd):
    names, done = [image(i) for i in range(2 * COMMIT + 9)], []
    inner = computing(names, done)

    def spoil():
        shutil.rmtree(tmp_path / "s", ignore_errors=True)
        (tmp_path / "s").write_text("in the way")

    def compute(lacking, views_of):
        for count, found in enumerate(inner(lacking, views_of)):
            if moment == "first" and count == COMMIT // 16 + 2:
                spoil()
            yield found

    if moment == "before":
        spoil()
    with supplying(tmp_path / "s", names, compute, tmp_path) as supply:
        supply.fill()
        if moment == "filled":
            spoil()
        np.testing.assert_array_equal(everything(supply, names), features(names))
    assert capfd.readouterr().err.count("\n") == 1


def test_what_gc_removes_meanwhile_is_computed_again(full, names):
    done = []
    with supplying(full, names, computing(names, done), full) as supply:
        supply.fill()
        assert done == []
        upkeep.answer("gc", full, "0")
        np.testing.assert_array_equal(everything(supply, names), features(names))
    assert sorted(done) == sorted(names)


def test_what_is_computed_twice_is_counted_once(tmp_path, names):
    done = []
    with supplying(tmp_path, names, computing(names, done), tmp_path) as supply:
        supply.fill()
        upkeep.answer("gc", tmp_path, "0")
        np.testing.assert_array_equal(everything(supply, names), features(names))
        assert len(done) == 2 * len(names)
        assert supply.computed == len(names)


def test_a_failing_network_ends_its_claims(tmp_path, names):
    def compute(lacking, views_of):
        if all(views_of(place) for place in lacking[0]):
            raise InputError("no")
        yield [], None

    with pytest.raises(InputError, match="no"):
        supplied(tmp_path, names, compute, tmp_path)
    assert supplied(tmp_path, names, computing(names, []), tmp_path)[1] == len(names)


SHARER = """
import sys
from tests.test_store import *
names = [image(i) for i in range(1500)]
out, computed = supplied(sys.argv[1], names, computing(names, [], 0.01), Path(sys.argv[1]))
np.testing.assert_array_equal(out, features(names))
print(computed, flush=True)
"""


def test_four_processes_share_the_work_and_a_killed_ones_is_taken_over(tmp_path):
    sharers = [run(SHARER, tmp_path, stdout=subprocess.PIPE) for _ in range(4)]
    told = [sharer.communicate() for sharer in sharers]
    assert all(sharer.returncode == 0 for sharer in sharers), told
    assert 1500 <= sum(int(out) for out, _ in told) <= 1.3 * 1500

    other = tmp_path / "other"
    sharers = [run(SHARER, other, stdout=subprocess.PIPE) for _ in range(2)]
    deadline = time.monotonic() + 30
    while not claimed(other, sharers[0].pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    sharers[0].kill()
    sharers[0].communicate()
    out, err = sharers[1].communicate(timeout=claims.LEASE / 2)
    assert sharers[1].returncode == 0, err
    assert CLAIM < int(out) <= 1500


def claimed(folder, pid):
    if not (folder / NAME).exists():
        return False
    try:
        with base(folder) as direct:
            owners = direct.execute("SELECT owner FROM claims").fetchall()
    except sqlite3.Error:
        return False
    return any(owner.split()[1] == str(pid) for (owner,) in owners)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("20GB", 20 * 10**9),
        ("1.5 tb", 1500 * 10**9),
        ("512MiB", 2**29),
        ("7k", 7000),
        ("0", 0),
        ("10B", 10),
    ],
)
def test_sizes(text, count):
    assert upkeep.size(text) == count


@pytest.mark.parametrize("text", ["", "GB", "-1GB", "20 Gigs", "1e9", "5iB", "nan", "1,5GB"])
def test_bad_sizes(text):
    with pytest.raises(InputError, match="--keep must be a size such as 20GB or 500MB; received"):
        upkeep.size(text)


def test_stat_tells_recipes_apart(full, names):
    other = keys.of_recipe({**RECIPE, "layers": ["block2", "block4"], "size": 64}, "plain")
    with store.opened(full) as kept:
        kept.write(other, names[:2], features(names[:2]))
    lines = upkeep.answer("stat", full)
    assert lines[0] == str(full / NAME)
    assert lines[1].startswith("42 features of 2 recipes, ")
    assert any(
        line.startswith(
            "96 px, block2:4, plain, bf16 by openvino, weights cd34: 40 images, D = 24, 3.8 kB, l"
        )
        for line in lines
    )
    assert any(line.startswith("64 px, block2 + block4, plain, ") for line in lines)
    assert json.loads(KEY.text)["versions"]["openvino"] == "1.0"


def test_gc_removes_the_longest_unused_first_and_frees_the_disk(tmp_path):
    groups = [[image(f"{g}/{i}") for i in range(250)] for g in range(4)]
    wide = np.ones((250, 1024), np.float32)  # 1 MB a group
    with store.opened(tmp_path) as kept:
        for group in groups:
            kept.write(KEY, group, wide)
    with base(tmp_path) as direct:
        direct.execute("UPDATE batches SET used = used - 10 * 3600 * (5 - id)")
    with store.opened(tmp_path) as kept:  # the oldest is used once more
        assert kept.read(KEY, groups[0], np.empty_like(wide)).all()
        before = (tmp_path / NAME).stat().st_size
        (line,) = upkeep.answer("gc", tmp_path, str(before * 6 // 10))
        assert (tmp_path / NAME).stat().st_size <= before * 6 // 10
        assert line.startswith("removed 500 features, the longest unused, and freed ")
        assert [len(kept.missing(KEY, group)) for group in groups] == [0, 250, 250, 0]
        assert kept.read(KEY, groups[3], np.empty_like(wide)).all()
    assert upkeep.answer("gc", tmp_path, "1TB")[0].startswith("removed 0 features")
    upkeep.answer("gc", tmp_path, "0")
    assert upkeep.answer("stat", tmp_path)[1].startswith("0 features of 0 recipes")


def test_gc_gives_pages_back_many_at_a_time(tmp_path, monkeypatch):
    pages, names = 300, [image(i) for i in range(300)]
    with store.opened(tmp_path) as kept:
        kept.write(KEY, names, np.zeros((pages, database.PAGE // 4), np.float32))
    before = (tmp_path / NAME).stat().st_size
    writes, write = [], database.Database.write
    monkeypatch.setattr(
        database.Database, "write", lambda *given: writes.append(1) or write(*given)
    )
    upkeep.answer("gc", tmp_path, "0")
    assert before - (tmp_path / NAME).stat().st_size > pages * database.PAGE
    assert len(writes) <= 3 * pages / upkeep.STEP + 5


def test_gc_while_others_write(tmp_path):
    stop, faults = threading.Event(), []

    def write():
        with store.opened(tmp_path) as kept:
            for batch in itertools.count():
                names = [image(f"{batch}/{i}") for i in range(64)]
                if not kept.write(KEY, names, features(names)):
                    faults.append(batch)
                if stop.is_set():
                    return

    writer = threading.Thread(target=write)
    writer.start()
    time.sleep(0.2)
    for _ in range(2):
        upkeep.answer("gc", tmp_path, "0")
    stop.set()
    writer.join()
    assert faults == []
    assert upkeep.answer("verify", tmp_path)[0].split(" are sound, ")[1].startswith("0 were")


def test_verify_removes_what_is_damaged(full, names):
    assert "40 features are sound, 0 were damaged" in upkeep.answer("verify", full)[0]
    with base(full) as direct:
        direct.execute("UPDATE features SET value = zeroblob(96) WHERE id IN (3, 4)")
        direct.execute("UPDATE features SET checksum = checksum + 1 WHERE id = 40")
    assert "37 features are sound, 3 were damaged" in upkeep.answer("verify", full)[0]
    with store.opened(full) as kept:
        assert kept.missing(KEY, names) == [names[2], names[3], names[39]]


def test_verify_of_a_damaged_file(full, capfd):
    with base(full) as direct:
        direct.execute("UPDATE features SET image = zeroblob(32) WHERE id = 7")
    garble(full / NAME, 3 * 65536 + 100, 60000)
    (line,) = upkeep.answer("verify", full)
    assert line.endswith("was damaged and is filled anew as features are needed") or "sound" in line
    assert capfd.readouterr().err.count("\n") <= 1


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["stat"], "is not here: no feature was kept yet"),
        (["gc", "--keep", "20 apples"], "--keep must be a size such as 20GB"),
        (["gc"], "store gc needs a size to keep to, as --keep 20GB"),
        (["stat", "--keep", "1GB"], "store stat takes no --keep"),
        (["purge"], "unknown action on the store 'purge'; known: gc, stat, verify"),
    ],
)
def test_bad_commands_get_one_sentence(words, sentence):
    code, out, err = command("store", *words)
    assert (code, out) == (1, "")
    assert err.startswith("error: ")
    assert sentence in err
    assert err.count("\n") == 1


def test_the_command(names):
    with store.opened(store_folder()) as kept:
        kept.write(KEY, names, features(names))
    assert command("store", "stat")[1].startswith(f"{store_folder() / NAME}\n40 features of 1 ")
    assert command("store", "verify")[1].startswith("40 features are sound")
    assert command("store", "gc", "--keep", "0")[1].startswith("removed 40 features")


def several(done, length=D):
    """A stand-in for reader and network that knows three views; see `view_features`."""

    def compute(lacking, views_of):
        for place in functools.reduce(np.union1d, lacking).tolist():
            views = views_of(place)
            done.extend((view, place) for view in views)
            rows = [view_features(view, [place], length) for view in views]
            if rows:
                yield [(view, place) for view in views], np.concatenate(rows)

    return compute


def view_features(view, places, length=D):
    columns = np.arange(length) / length
    return (100 * view + np.asarray(places)[:, None] + columns).astype(np.float32)


KEYS = [keys.of_recipe({**RECIPE, "views": []}, view) for view in ("plain", "flipped", "contrast")]


def test_adding_a_view_computes_that_view_alone(tmp_path, names):
    every, places = set(range(len(names))), np.arange(len(names))
    for count, expected in ((1, {0}), (3, {1, 2}), (3, set()), (2, set())):
        done = []
        with supplying(tmp_path, names, several(done), tmp_path, KEYS[:count]) as supply:
            supply.fill()
            assert sorted(done) == sorted(itertools.product(expected, every))
            assert supply.computed == len(done)
            for view in range(count):
                found = np.concatenate(list(supply.blocks(view, places, D)))
                np.testing.assert_array_equal(found, view_features(view, places))


def test_each_view_is_computed_where_it_lacks_and_no_further(tmp_path, names):
    with store.opened(tmp_path) as kept:
        kept.write(KEYS[0], names[:9], view_features(0, range(9)))
        kept.write(KEYS[2], names[5:30], view_features(2, range(5, 30)))
    done = []
    with supplying(tmp_path, names, several(done), tmp_path, KEYS) as supply:
        supply.fill()
    assert len(done) == len(set(done))
    kept = {(0, i) for i in range(9)} | {(2, i) for i in range(5, 30)}
    assert set(done) == set(itertools.product(range(3), range(len(names)))) - kept
    # What is lacking of one picture comes together: it is read and decoded once.
    assert [place for _, place in done] == sorted(place for _, place in done)


def test_a_view_that_gc_removes_meanwhile_is_computed_again(tmp_path, names):
    done, places = [], np.arange(len(names))
    with supplying(tmp_path, names, several(done), tmp_path, KEYS[:2]) as supply:
        supply.fill()
        upkeep.answer("gc", tmp_path, "0")
        for view in (1, 0):
            found = np.concatenate(list(supply.blocks(view, places, D)))
            np.testing.assert_array_equal(found, view_features(view, places))
        assert len(done) == 4 * len(names)  # both views when the first is found to have gone
        assert supply.computed == 2 * len(names)
