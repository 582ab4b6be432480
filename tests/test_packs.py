"""Packs: plain pickle opens what is written, and what does not fit is told in one sentence."""

import pickle
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from transfer.errors import InputError
from transfer.packs import reader, writer

N, D = 100, 7
FEATURES = np.random.default_rng(0).normal(size=(N, D)).astype(np.float32)
REST = {
    "labels": np.arange(N) % 3,
    "ids": [f"é{row}" for row in range(N)],
    "groups": np.array([f"track {row // 9}" for row in range(N)]),
    "classes": ["bicycle", "Fußgänger", "yield"],
    "recipe": {
        "net": "x",
        "layers": [["fc7", (1, 2.5, None, True)]],
        "big": 2**70,
        "low": -(2**63),
    },
}
EMPTY = {**REST, "labels": [], "ids": [], "groups": []}


def plain(path):
    """What anybody's Python makes of the file, where even a warning is a failure."""
    with path.open("rb") as file, warnings.catch_warnings():
        warnings.simplefilter("error")
        return pickle.load(file)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x_train.p"


def dump(path, tree, protocol=4):
    path.write_bytes(pickle.dumps(tree, protocol))
    return path


def test_round_trip(path):
    writer.write(path, features=FEATURES, **REST)
    pack = reader.read(path)
    np.testing.assert_array_equal(pack.features, FEATURES)
    assert pack.features.dtype == np.float32
    assert pack.labels.tolist() == REST["labels"].tolist()
    assert pack.labels.dtype == np.int64
    assert pack.ids.tolist() == REST["ids"]
    assert pack.groups.tolist() == REST["groups"].tolist()
    assert pack.classes == REST["classes"]
    assert pack.recipe == REST["recipe"]


def test_plain_pickle_opens_it(path):
    writer.write(path, features=FEATURES, **REST)
    tree = plain(path)
    assert list(tree) == ["features", "labels", "ids", "groups", "classes", "recipe"]
    assert tree["features"].shape == (N, 1, 1, D)
    assert tree["features"].flags.writeable
    np.testing.assert_array_equal(tree["features"].reshape(N, D), FEATURES)
    assert tree["ids"].tolist() == REST["ids"]
    assert tree["recipe"] == REST["recipe"]
    with path.open("rb") as file:  # the interpreter without C code follows the same opcodes
        assert pickle._Unpickler(file).load()["labels"].tolist() == REST["labels"].tolist()


def test_arrays_are_aligned_views_of_the_file(path):
    for width in range(1, 40):  # every gap that may have to be filled
        ids = np.full(N, "x" * width)
        writer.write(path, features=FEATURES, **{**REST, "ids": ids, "groups": ids})
        pack = reader.read(path)
        for array in (pack.features, pack.labels, pack.ids, pack.groups):
            assert array.ctypes.data % 64 == 0
            assert not array.flags.writeable
        assert plain(path)["groups"].tolist() == ids.tolist()


def test_flat(path):
    writer.write(path, features=FEATURES, flat=True, **REST)
    assert plain(path)["features"].shape == (N, D)
    np.testing.assert_array_equal(reader.read(path).features, FEATURES)


def test_equal_input_gives_equal_bytes(path, tmp_path):
    writer.write(path, features=FEATURES, **REST)
    chunks = (FEATURES[start : start + 9] for start in range(0, N, 9))
    again = {**REST, "recipe": dict(reversed(REST["recipe"].items()))}
    writer.write(tmp_path / "b.p", features=chunks, shape=(N, D), **again)
    writer.write(tmp_path / "c.p", features=np.asfortranarray(FEATURES), **REST)
    data = path.read_bytes()
    assert data == (tmp_path / "b.p").read_bytes() == (tmp_path / "c.p").read_bytes()


def test_no_rows(path):
    for features, shape in ((FEATURES[:0], None), (iter([]), (0, D))):
        writer.write(path, features=features, shape=shape, **EMPTY)
        assert plain(path)["features"].shape == (0, 1, 1, D)
        pack = reader.read(path)
        assert pack.features.shape == (0, D)
        assert pack.labels.dtype == np.int64
        assert pack.ids.shape == (0,)


def test_a_pack_is_written_whole_or_not_at_all(path, tmp_path):
    writer.write(path, features=FEATURES, **REST)
    before = path.read_bytes()

    def chunks():
        yield FEATURES[:50]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        writer.write(path, features=chunks(), shape=(N, D), **REST)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def holed(value):
    features = FEATURES.copy()
    features[60, 3] = value
    return features


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"labels": REST["labels"][:-1]}, "100 features and 99 labels"),
        ({"ids": REST["ids"][:-2]}, "100 features and 98 ids"),
        ({"groups": []}, "100 features and 0 groups"),
        ({"labels": REST["labels"] + 1}, "the label 3; expected 0 to 2 for its 3 classes"),
        ({"labels": REST["labels"] - 1}, "the label -1"),
        ({"labels": REST["labels"] * 1.0}, "labels must be integers"),
        ({"ids": np.arange(N)}, "ids must be strings"),
        ({"groups": np.array(["a", None] * 50)}, "groups must be strings"),
        ({"features": holed(np.nan)}, "feature 3 of row 60 is nan"),
        ({"features": holed(-np.inf)}, "feature 3 of row 60 is -inf"),
        ({"features": FEATURES.astype(float)}, "features must be float32"),
        ({"features": FEATURES[:, None]}, r"features must be \[N, D\]"),
        ({"features": iter([FEATURES])}, r"features must be \[N, D\]"),
        ({"features": iter([FEATURES]), "shape": (N, D + 1)}, r"features must be float32 \[n, 8\]"),
        ({"features": iter([FEATURES, FEATURES]), "shape": (N, D)}, "of 100 rows; received 200"),
        ({"features": iter([FEATURES[:9]]), "shape": (N, D)}, "of 100 rows; received 9"),
        ({"recipe": {"net": np.float32(1)}}, "plain values"),
    ],
)
def test_what_does_not_fit_is_not_written(change, says, path, tmp_path):
    with pytest.raises(InputError, match=says):
        writer.write(path, **{"features": FEATURES, **REST, **change})
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_a_file(tmp_path):
    (tmp_path / "a").touch()
    with pytest.raises(InputError, match=r"can't be written"):
        writer.write(tmp_path / "a" / "b.p", features=FEATURES, **REST)


# Packs of others.

PYTHON2 = (  # {'features': float32 [2, 1, 1, 2], 'labels': int64 [2, 1]} as Python 2 wrote it
    b"\x80\x02}q\x00(U\x08featuresq\x01cnumpy.core.multiarray\n_reconstruct\nq\x02cnumpy\nndarray\n"
    b"q\x03K\x00\x85U\x01b\x87Rq\x04(K\x01(K\x02K\x01K\x01K\x02tcnumpy\ndtype\nq\x05U\x02f4K\x00K\x01"
    b"\x87Rq\x06(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x10\x00\x00\x80?\x00\x00"
    b"\x00@\x00\x00@@\x00\x00\x80@tbU\x06labelsq\x07h\x02h\x03K\x00\x85U\x01b\x87R(K\x01K\x02K\x01\x86"
    b"h\x05U\x02i8K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x10"
    b"\x07\0\0\0\0\0\0\0\x09\0\0\0\0\0\0\0tbu."
)


def test_a_python2_pack(path):
    path.write_bytes(PYTHON2)
    pack = reader.read(path)
    assert pack.features.tolist() == [[1, 2], [3, 4]]
    assert pack.labels.tolist() == [7, 9]
    assert pack.ids is pack.groups is pack.classes is pack.recipe is None


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    ("features", "labels"),
    [
        (np.ones((4, 1, 1, 3)), np.zeros((4, 1), "u1")),
        (np.ones((4, 3), ">f4"), np.zeros(4, ">i2")),
        (np.ones((4, 3), "f2", order="F"), [0, 0, 0, 0]),
        (np.ones((4, 2, 2, 3), "u1"), np.zeros(4, "i4")),
        (np.ones((0, 1, 1, 3)), np.zeros(0, int)),
    ],
)
def test_packs_of_others(features, labels, protocol, path):
    pack = reader.read(dump(path, {"features": features, "labels": labels}, protocol))
    assert pack.features.dtype == np.float32
    assert pack.features.shape == (len(features), features[0:1].size or 3)
    assert (pack.features == 1).all()
    assert pack.labels.dtype == np.int64
    assert pack.labels.tolist() == [0] * len(features)


def test_the_courses_traffic_signs(mirror):
    pack = reader.read(mirror / "train.p")
    assert pack.features.shape == (6084, 32 * 32 * 3)
    assert np.unique(pack.labels).tolist() == list(range(43))


ONES = np.ones((4, 3), "f4")


@pytest.mark.parametrize(
    ("tree", "says"),
    [
        ([1, 2], "holds a list; expected a pack"),
        ({"features": ONES, "y": 1}, "lacks the key 'labels'; it has 'features', 'y'"),
        ({}, "lacks the key 'features'; it has none"),
        ({"features": ONES, "labels": np.zeros(3, int)}, "4 features and 3 labels"),
        ({"features": ONES * np.nan, "labels": np.zeros(4, int)}, "feature 0 of row 0 is nan"),
        (
            {"features": np.full((4, 3), 1e300), "labels": np.zeros(4, int)},
            "feature 0 of row 0 is inf",
        ),
        ({"features": ONES, "labels": np.array([0, 1, -1, 0])}, "the label -1"),
        ({"features": ONES, "labels": np.zeros(4)}, r"labels must be .* received float64 \[4\]"),
        ({"features": ONES, "labels": np.zeros((4, 2), int)}, r"received int64 \[4, 2\]"),
        ({"features": ONES, "labels": ["a"] * 4}, "received a list"),
        ({"features": ONES, "labels": [2**70] * 4}, "received objects"),
        ({"features": ONES.astype(object), "labels": [0] * 4}, r"received objects \[4, 3\]"),
        ({"features": ONES.astype(str), "labels": [0] * 4}, "features must be an array"),
        ({"features": ONES[0], "labels": [0] * 3}, "features must be an array"),
        ({"features": [[1.0]], "labels": [0]}, "received a list"),
        ({"features": ONES, "labels": [0] * 4, "ids": ["a"] * 4}, "ids must be strings"),
        ({"features": ONES, "labels": [0] * 4, "classes": [1]}, "classes must be"),
        ({"features": ONES, "labels": [1] * 4, "classes": ["a"]}, "the label 1; expected 0 to 0"),
        ({"features": ONES, "labels": [0] * 4, "recipe": 1}, "recipe must be"),
        ({"features": print, "labels": [0] * 4}, "print, which a file of arrays never needs"),
    ],
)
def test_faults_are_one_sentence(tree, says, path):
    with pytest.raises(InputError, match=says) as fault:
        reader.read(dump(path, tree))
    assert str(fault.value).startswith(str(path))
    assert "\n" not in str(fault.value)


VIEWS = {"flipped": -FEATURES, "contrast": FEATURES * 2}
VIEWED = {**REST, "recipe": {"views": ["plain", "flipped", "contrast"]}}


def test_views_round_trip(path):
    writer.write(path, features=FEATURES, further=VIEWS, **VIEWED)
    pack = reader.read(path)
    assert len(pack.views) == 3
    for found, expected in zip(pack.views, (FEATURES, *VIEWS.values()), strict=True):
        np.testing.assert_array_equal(found, expected)
        assert found.dtype == np.float32
        assert found.ctypes.data % 64 == 0
        assert not found.flags.writeable
    assert pack.views[0] is pack.features
    tree = plain(path)
    assert list(tree)[:4] == ["features", "features_flipped", "features_contrast", "labels"]
    assert tree["features_contrast"].shape == (N, 1, 1, D)
    np.testing.assert_array_equal(tree["features_flipped"].reshape(N, D), -FEATURES)
    # The order is the recipe's, and pieces decide nothing.
    again = path.with_name("again.p")
    pieces = {view: iter(np.array_split(x, 9)) for view, x in reversed(VIEWS.items())}
    writer.write(again, features=FEATURES, further=pieces, **VIEWED)
    assert again.read_bytes() == path.read_bytes()


def test_one_view_is_the_features(path):
    writer.write(path, features=FEATURES, **{**REST, "recipe": {"views": ["contrast"]}})
    (only,) = reader.read(path).views
    np.testing.assert_array_equal(only, FEATURES)
    dump(path, {"features": ONES, "labels": [0] * 4, "features_old": "theirs"})
    assert len(reader.read(path).views) == 1  # a pack without a recipe may hold what it likes


@pytest.mark.parametrize(
    ("further", "says"),
    [
        ({}, "lacks the key 'features_flipped', a view that its recipe lists; extract it again"),
        ({"flipped": -FEATURES}, "lacks the key 'features_contrast', a view that"),
        ({**VIEWS, "plain": FEATURES}, "holds 'features_plain', and its recipe lists no such view"),
        ({**VIEWS, "flipped": FEATURES[:, 1:]}, r"features_flipped must be float32 \[n, 7\]; rece"),
        ({**VIEWS, "flipped": FEATURES[1:]}, "expected features_flipped of 100 rows; received 99"),
        ({**VIEWS, "contrast": holed(np.nan)}, "feature 3 of row 60 of features_contrast is nan"),
    ],
)
def test_views_that_do_not_fit_are_not_written(further, says, path, tmp_path):
    with pytest.raises(InputError, match=says):
        writer.write(path, features=FEATURES, further=further, **VIEWED)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({}, "lacks the key 'features_flipped', a view that its recipe lists; extract it again"),
        ({"features_flipped": ONES[:3]}, r"features_flipped must be \[4, 3\], as features are; re"),
        ({"features_flipped": ONES[:, :2]}, r"received \[4, 2\]; extract it again"),
        ({"features_flipped": ONES.astype(str)}, "features_flipped must be an array"),
        ({"features_flipped": ONES * np.inf}, "feature 0 of row 0 of features_flipped is inf"),
        (
            {"features_flipped": ONES, "features_contrast": ONES},
            "holds 'features_contrast', and its recipe lists no such view; extract it again",
        ),
        ({"recipe": {}, "features_flipped": ONES}, "recipe lists no such view"),
        ({"recipe": {"views": []}}, "must be a list of different names; received"),
        ({"recipe": {"views": "plain"}}, "must be a list of different names; received 'plain'"),
        ({"recipe": {"views": [["plain"]]}}, "must be a list of different names; received"),
        ({"recipe": {"views": ["plain", "plain"]}}, "must be a list of different names; received"),
    ],
)
def test_faults_of_views_are_one_sentence(more, says, path):
    tree = {"features": ONES, "labels": [0] * 4, "recipe": {"views": ["plain", "flipped"]}}
    with pytest.raises(InputError, match=says) as fault:
        reader.read(dump(path, tree | more))
    assert str(fault.value).startswith(str(path))
    assert "\n" not in str(fault.value)


@pytest.mark.parametrize(
    ("data", "says"),
    [(None, "is not here"), (b"", "is empty"), (b"<html>", "not a pickle"), (b"\x80\x04}", "cut")],
)
def test_no_pack_at_all(data, says, path):
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(InputError, match=says):
        reader.read(path)


WATCH = """
import re, sys
import numpy as np
from transfer.packs import columns, reader, writer

def held():
    return int(re.search(r"RssAnon:\\s+(\\d+)", open("/proc/self/status").read())[1])

def chunks():
    global peak
    for _ in range(n // len(chunk)):
        peak = max(peak, held())
        yield chunk

def watched(*arguments):
    global peak
    check(*arguments)
    peak = max(peak, held())

n, d = 12_500, 2048
chunk = np.random.default_rng(0).normal(size=(250, d)).astype("f4")
peak = before = held()
check, columns.check_finite = columns.check_finite, watched
names = np.array([f"images/{i:06}.jpg" for i in range(n)])
rest = dict(labels=np.zeros(n, int), ids=names, groups=names, classes=["a"], recipe={})
writer.write(sys.argv[1], features=chunks(), shape=(n, d), **rest)
pack = reader.read(sys.argv[1])
writer.write(sys.argv[2], features=pack.features, **rest)
print((max(peak, held()) - before) // 1024)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc to measure by")
def test_memory_does_not_grow_with_the_pack(path):
    """Writes, reads and rewrites 100 MB: what the process holds, mapped pages apart, is small."""
    again = path.with_name("again.p")
    done = subprocess.run(
        [sys.executable, "-c", WATCH, path, again],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[1],
    )
    assert path.stat().st_size > 100_000_000
    assert path.read_bytes() == again.read_bytes()
    assert int(done.stdout) < 16  # MB, of which the names are 1 and a block of features is 4
