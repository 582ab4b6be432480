"""`python -m transfer embeddings`: packs as Parquet, read back with pyarrow."""

import json
import os
import pickle
import re
from hashlib import sha256

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from tests import examples
from tests.command_line import command
from tests.imports import ROOT
from transfer.datasets.index import PARTS
from transfer.errors import InputError
from transfer.packs import writer as packs
from transfer.serving import embeddings

COUNTS = {"train": 70, "validation": 30, "test": 0}


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A workspace with the three packs of a run, the test part empty; the working folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(
        "net: mini\ndataset: sample\nsplit: {per_class: all}\nhead: {kind: auto}\n"
    )
    embeddings.FOLDER.mkdir(parents=True)
    for part in PARTS:
        name = embeddings.NAMES[part].format(net="mini", dataset="sample", per_class="all")
        x, y = examples.blobs(COUNTS[part], seed=len(part))
        examples.write_pack(embeddings.FOLDER / name, x, y)
    return tmp_path


def parts():
    return list(embeddings.of_run("mini", "sample", "all").items())


def test_every_row_of_the_run_comes_back(run):
    assert embeddings.write("out.parquet", parts()) == (100, 10)
    table = parquet.read_table("out.parquet")
    assert table.column_names == ["id", "label", "number", "split", "group", "features"]
    assert table.schema.field("features").type == pa.list_(pa.float32(), 10)
    start = 0
    for part, path in parts():
        x, y = examples.blobs(COUNTS[part], seed=len(part))
        rows = table.slice(start, len(y))
        start += len(y)
        features = rows["features"].combine_chunks().flatten().to_numpy().reshape(-1, 10)
        np.testing.assert_array_equal(features, x)
        assert rows["number"].to_pylist() == y.tolist()
        assert rows["label"].to_pylist() == ["abcd"[label] for label in y]
        assert rows["id"].to_pylist() == [f"{path.stem}/{i}" for i in range(len(y))]
        assert rows["group"].to_pylist() == rows["id"].to_pylist()
        assert set(rows["split"].to_pylist()) == ({part} if len(y) else set())
    assert start == len(table)
    assert json.loads(table.schema.metadata[b"classes"]) == list("abcd")
    assert json.loads(table.schema.metadata[b"recipe"]) == examples.RECIPE


def test_further_views_have_columns_of_their_own(run):
    x, y = examples.blobs(40)
    ids = [str(i) for i in range(40)]
    recipe = examples.RECIPE | {"views": ["plain", "flipped", "contrast"]}
    further = {"flipped": -x, "contrast": x + 1}
    rest = {"labels": y, "ids": ids, "groups": ids, "classes": list("abcd"), "recipe": recipe}
    packs.write("views_train.p", features=x, further=further, **rest)
    assert embeddings.write("out.parquet", [("train", "views_train.p")]) == (40, 10)
    table = parquet.read_table("out.parquet")
    assert table.column_names[5:] == ["features", "features_flipped", "features_contrast"]
    for name, expected in (("features", x), ("features_flipped", -x), ("features_contrast", x + 1)):
        assert table.schema.field(name).type == pa.list_(pa.float32(), 10)
        found = table[name].combine_chunks().flatten().to_numpy().reshape(-1, 10)
        np.testing.assert_array_equal(found, expected)
    with pytest.raises(InputError, match=r"has another recipe than views_train.p"):
        embeddings.write("out.parquet", [("train", "views_train.p"), parts()[0]])


def test_parts_are_written_piece_by_piece_with_equal_bytes(run, monkeypatch):
    embeddings.write("one.parquet", parts())
    embeddings.write("two.parquet", parts())
    one, two = (sha256((run / f"{n}.parquet").read_bytes()).digest() for n in ("one", "two"))
    assert one == two
    monkeypatch.setattr(embeddings, "BLOCK", 4 * 10 * 16)  # 16 rows at a time
    embeddings.write("pieces.parquet", parts())
    assert parquet.ParquetFile("pieces.parquet").num_row_groups == 5 + 2
    assert parquet.read_table("pieces.parquet").equals(parquet.read_table("one.parquet"))


def test_places_are_those_of_dvc_yaml():
    text = (ROOT / "dvc.yaml").read_text()
    found = re.findall(r"^ +- (data/bottlenecks/.*)$", text, re.MULTILINE)
    words = {"net": "${net}", "dataset": "${dataset}", "per_class": "${split.per_class}"}
    for name in embeddings.NAMES.values():
        assert str(embeddings.FOLDER / name.format(**words)) in found


def test_foreign_packs_have_nulls_for_what_they_lack(run):
    for name, n in (("one", 3), ("their_train", 2)):
        x, y = examples.blobs(n)
        tree = {"features": x.reshape(n, 1, 1, 10).astype(np.float64), "labels": y[:, None]}
        (run / f"{name}.p").write_bytes(pickle.dumps(tree))
    given = [(embeddings.split_of(f"{name}.p"), f"{name}.p") for name in ("one", "their_train")]
    assert embeddings.write("out.parquet", given) == (5, 10)
    table = parquet.read_table("out.parquet")
    for name in ("id", "label", "group"):
        assert table[name].null_count == 5
    assert table["split"].to_pylist() == ["one"] * 3 + ["train"] * 2
    assert json.loads(table.schema.metadata[b"recipe"]) is None
    np.testing.assert_array_equal(np.array(table["features"].to_pylist())[:3], examples.blobs(3)[0])


def test_foreign_packs_may_hold_anything(run):
    x, y = examples.blobs(3)
    tree = {"features": x, "labels": y, "ids": np.array(["a", "b\udcff", "c"])}
    (run / "odd.p").write_bytes(pickle.dumps(tree))
    embeddings.write("out.parquet", [("odd", "odd.p")])
    assert parquet.read_table("out.parquet")["id"].to_pylist() == ["a", "b?", "c"]
    (run / "odd.p").write_bytes(pickle.dumps(tree | {"recipe": {"mean": np.zeros(3)}}))
    with pytest.raises(InputError, match=r"odd.p: its recipe can't be written as JSON"):
        embeddings.write("out.parquet", [("odd", "odd.p")])


def other(name, d=10, classes="abcd", **recipe):
    path = embeddings.FOLDER / name
    x, y = examples.blobs(5, d=d)
    ids = [str(i) for i in range(5)]
    recipe = examples.RECIPE | recipe
    packs.write(
        path, features=x, labels=y, ids=ids, groups=ids, classes=list(classes), recipe=recipe
    )
    return path


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (
            {"d": 12},
            r"other.p has features of another length than .*train.p, 12 instead of 10; ",
        ),
        ({"classes": "abce"}, "other.p has other classes than .*train.p; they don"),
        ({"size": 96}, "other.p has another recipe than .*train.p; they don't go into one f"),
    ],
)
def test_packs_that_dont_fit_each_other(run, more, sentence):
    with pytest.raises(InputError, match=sentence):
        embeddings.write("out.parquet", [*parts(), ("test", other("other.p", **more))])
    assert not (run / "out.parquet").exists()


def test_what_is_no_parquet_file_by_name_is_not_written_over(run):
    _, pack = parts()[0]
    before = pack.read_bytes()
    for name in (pack, run, "out.csv"):
        with pytest.raises(InputError, match=r"must be the name of a file that ends in .parquet"):
            embeddings.write(name, parts())
    assert pack.read_bytes() == before
    (run / "old.parquet").write_text("anything")
    embeddings.write("old.parquet", parts())
    assert parquet.read_metadata("old.parquet").num_rows == 100


def test_command(run):
    assert command("embeddings", "out.parquet", cwd=run) == (
        0,
        "embeddings: 100 images, D = 10, in out.parquet\n",
        "",
    )
    pack = str(parts()[1][1])
    code, out, _ = command("embeddings", "one.parquet", "--pack", pack, cwd=run)
    assert (code, out) == (0, "embeddings: 30 images, D = 10, in one.parquet\n")
    assert parquet.read_table("one.parquet")["split"][0].as_py() == "validation"
    os.unlink(pack)
    for words in ([], ["--pack", pack]):
        code, out, err = command("embeddings", "out.parquet", *words, cwd=run)
        assert (code, out) == (1, "")
        assert err.startswith(f"error: {pack} ")
        assert err.count("\n") == 1
