"""Images in a pickle, as the course's train.p: small ones, their forms, and every refusal."""

import pickle
from hashlib import sha256

import numpy as np
import pytest

from tests import tracing
from tests.imports import ROOT
from tests.servers import serving
from transfer.__main__ import pin
from transfer.datasets import sources
from transfer.datasets.reading import readers
from transfer.errors import InputError


def pickled(folder, tree, protocol=4, name="train.p"):
    (folder / name).write_bytes(pickle.dumps(tree, protocol=protocol))
    return sources.Source(
        name="signs",
        kind="archives",
        layout="pickled",
        classes=("0 stop", "1 yield"),
        files=(sources.File(name),),
    )


def arrays(n=6, **change):
    features = np.arange(n * 4 * 5 * 3, dtype=np.uint32).reshape(n, 4, 5, 3).astype(np.uint8)
    labels = np.arange(n, dtype=np.uint8) % 2
    return {"features": features, "labels": labels, **change}


@pytest.mark.parametrize("protocol", range(6))
def test_rows_of_a_pickle(tmp_path, protocol):
    tree = arrays(sizes=np.zeros((6, 2)), coords=np.zeros((6, 4)))
    source = pickled(tmp_path, tree, protocol)
    found = list(readers.read(source, None, tmp_path))
    assert [(image.id, image.member, image.label) for image in found[:2]] == [
        ("train/00000", "train.p:0", "0 stop"),
        ("train/00001", "train.p:1", "1 yield"),
    ]
    assert all(image.part == image.track == "" for image in found)
    np.testing.assert_array_equal([image.data for image in found], tree["features"])
    (one,) = readers.read(source, None, tmp_path, {"train.p:4"})
    assert one.id == "train/00004"
    with pytest.raises(InputError, match="lacks 1 members that its index lists; run `dvc repro"):
        list(readers.read(source, None, tmp_path, {"train.p:6", "train.p:1"}))


@pytest.mark.parametrize(
    ("change", "is_c"),
    [
        ({"labels": [0, 1, 1, 0, 0, 1]}, True),
        ({"labels": np.array([0, 1, 1, 0, 0, 1], ">i8")}, True),
        ({"features": np.asfortranarray(arrays()["features"])}, False),
    ],
)
def test_forms_of_arrays(tmp_path, change, is_c):
    tree = arrays(**change)
    assert tree["features"].flags.c_contiguous == is_c
    found = list(readers.read(pickled(tmp_path, tree), None, tmp_path))
    np.testing.assert_array_equal([image.data for image in found], tree["features"])
    assert [image.label for image in found] == [["0 stop", "1 yield"][k] for k in tree["labels"]]
    assert all(image.data.flags.c_contiguous for image in found)


def test_two_pickles(tmp_path):
    pickled(tmp_path, arrays())
    pickled(tmp_path, arrays(2), name="more.p")
    source = sources.Source(
        name="signs",
        kind="archives",
        layout="pickled",
        classes=("0 stop", "1 yield"),
        files=(sources.File("more.p"), sources.File("train.p")),
    )
    assert [i.id for i in readers.read(source, None, tmp_path, {"train.p:5"})] == ["train/00005"]
    assert [i.id for i in readers.read(source, None, tmp_path)][1:3] == [
        "more/00001",
        "train/00000",
    ]
    (tmp_path / "more.p").write_bytes(b"no pickle")
    with pytest.raises(InputError, match=r"more.p"):
        list(readers.read(source, None, tmp_path))


@pytest.mark.parametrize("form", ["C", "F"])
def test_an_image_more_costs_no_memory(tmp_path, form):
    def peak(n):
        features = np.zeros((n, 8, 8, 3), np.uint8, form)
        source = pickled(tmp_path, {"features": features, "labels": np.arange(n) % 2})
        return tracing.peak_through(lambda: readers.read(source, None, tmp_path))

    peak(10)  # what the first reading sets up for good
    assert (peak(12_000) - peak(2_000)) / 10_000 < 4  # bytes


@pytest.mark.parametrize("protocol", [2, 4])
def test_a_large_pickle_costs_no_memory(tmp_path, protocol):
    n = 4000
    features = np.zeros((n, 32, 32, 3), np.uint8)  # 12 MB
    source = pickled(tmp_path, {"features": features, "labels": np.arange(n) % 2}, protocol)
    del features
    peak = tracing.peak_through(lambda: readers.read(source, None, tmp_path))
    assert sum(1 for _ in readers.read(source, None, tmp_path)) == n
    assert peak < 2e6 if protocol == 4 else peak < 4e7  # Python 3 writes bytes as text below 3


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        ([1, 2], "needs a dict with features and labels; received list"),
        ({"x": 1, "labels": []}, "needs a dict with features and labels; received x, labels"),
        (arrays(features=[[1]]), r"needs features uint8 \[N, H, W, 3\]; received list of 1"),
        (arrays(features=np.zeros((6, 4, 5, 3))), r"received float64 \(6, 4, 5, 3\)"),
        (arrays(features=np.zeros((6, 60), "u1")), r"received uint8 \(6, 60\)"),
        (arrays(features=np.zeros((6, 3, 4, 5), "u1")), r"received uint8 \(6, 3, 4, 5\)"),
        (arrays(features=np.zeros((6, 0, 5, 3), "u1")), r"received uint8 \(6, 0, 5, 3\)"),
        (arrays(labels=np.arange(5) % 2), r"needs 6 whole numbers .* received int64 \(5,\)"),
        (arrays(labels=np.zeros((6, 1), int)), r"received int64 \(6, 1\)"),
        (arrays(labels=np.zeros(6)), r"received float64 \(6,\)"),
        (arrays(labels=np.zeros(6, bool)), r"received bool \(6,\)"),
        (arrays(labels=list("010101")), "received list of 6"),
        (arrays(labels=[0, 1, 0, 1, True, 0]), "received list of 6"),
        (arrays(labels="010101"), "received str"),
        (
            arrays(labels=[0, 1, 2, 1, 0, 1]),
            "train.p, row 2: the class 2 has no name; expected 0 t",
        ),
        (arrays(labels=np.array([0, 1, 0, -1, 0, 1])), "row 3: the class -1 has no name"),
        (arrays(labels=print), "train.p"),
    ],
)
def test_faults_of_a_pickle(tmp_path, tree, words):
    source = pickled(tmp_path, tree)
    with pytest.raises(InputError, match=words) as fault:
        list(readers.read(source, None, tmp_path))
    assert "\n" not in str(fault.value)
    assert "train.p" in str(fault.value)


def test_pin_writes_the_hash_of_the_courses_file(tmp_path, monkeypatch, capsys):
    """The publisher gives no hash: stage fetch_data refuses, and names this command."""
    body = pickle.dumps(arrays())
    path = tmp_path / "data" / "datasets" / "traffic32" / "source.yaml"
    path.parent.mkdir(parents=True)
    before = (ROOT / "data" / "datasets" / "traffic32" / "source.yaml").read_text()
    monkeypatch.chdir(tmp_path)
    with serving({"/train.p": body}) as (base, _):
        (url,) = [line.split()[1] for line in before.splitlines() if line.startswith("    url:")]
        before = before.replace(url, f"{base}/train.p")
        path.write_text(before)
        pin("traffic32")
    digest = sha256(body).hexdigest()
    assert f"train.p: {len(body):,} bytes, sha256 {digest}" in capsys.readouterr().out
    (file,) = sources.load(path.parent).files
    assert (file.sha256, file.size) == (digest, len(body))
    added = [line for line in path.read_text().splitlines() if line not in before.splitlines()]
    assert added == [f"    sha256: {digest}", f"    size: {len(body)}"]
    assert [line for line in path.read_text().splitlines() if line not in added] == (
        before.splitlines()
    )
