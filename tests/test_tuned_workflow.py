"""Fine-tuning as a user drives it: DVC, predict, export and embeddings, on tiny images."""

import csv
import json
import re
import shutil
import sys

import numpy as np
import pytest
from pyarrow import parquet

from bench.workspaces import cloned
from tests.workspace import CLASSES, EACH, Workspace, save_pictures

SETTINGS = (
    "extract.cut=block3", "extract.augmented=1", "extract.size=48", "head.kind=finetune",
    "head.epochs=3", "head.batch_size=8",
)  # fmt: skip
SET = [word for setting in SETTINGS for word in ("-S", setting)]


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    """The repository with a dataset of 30 pictures, on which mini was tuned."""
    folder = cloned(tmp_path_factory.mktemp("tuned") / "repo")
    save_pictures(folder / "data/datasets/mine", 0)
    text = (folder / "params.yaml").read_text()
    (folder / "params.yaml").write_text(text.replace("dataset: sample", "dataset: mine"))
    space = Workspace(folder, folder.parent / "store")
    space.commit()
    space.call("dvc", "exp", "run", *SET)
    space.commit()
    return space


def transfer(space, *words):
    return space.call(sys.executable, "-m", "transfer", *words)


def test_metrics_are_those_of_any_other_head(tuned):
    found = tuned.metrics()
    assert found["head"]["kind"] == "finetune"
    assert found["head"]["augmented"] == 1
    assert found["validation"]["n"] == found["test"]["n"] == EACH * len(CLASSES) // 5
    assert found["validation"]["accuracy"] > 0.6
    rows = (tuned.folder / "reports/curves.csv").read_text().splitlines()
    assert len(rows) == 4
    assert not (tuned.folder.parent / "store/tuning").exists() or not any(
        (tuned.folder.parent / "store/tuning").iterdir()
    )


def test_a_second_run_computes_nothing_and_a_forced_one_gives_the_same_bytes(tuned):
    assert re.findall("Running stage '(.*)'", tuned.call("dvc", "repro")) == []
    before = tuned.outputs()
    shutil.rmtree(tuned.folder / ".dvc/cache/runs")
    out = tuned.call("dvc", "repro", "--force")
    assert out.count(", 0 were computed") == 2
    assert tuned.outputs() == before


def test_views_drawn_anew_are_another_fit_of_the_same_kind(tuned):
    out = tuned.call("dvc", "exp", "run", "--temp", "-n", "fresh", "-S", "extract.augmented=fresh")
    assert "Running stage 'train'" in out
    rev = tuned.call("git", "for-each-ref", "--format=%(objectname)", "refs/exps/**/fresh").strip()
    found = json.loads(tuned.call("git", "show", f"{rev}:reports/metrics.json"))
    assert found["head"]["augmented"] == "fresh"
    assert found["validation"]["accuracy"] > 0.6


def test_predict_gives_what_was_evaluated(tuned):
    """In bfloat16 and from the image, so to the second digit; without TensorFlow."""
    with open(tuned.folder / "reports/predictions.csv", encoding="utf-8") as file:
        expected = {row["id"]: row for row in csv.DictReader(file) if row["split"] == "test"}
    folder = tuned.folder / "data/datasets/mine"
    paths = [str(folder / id_) for id_ in expected]
    lines = transfer(tuned, "predict", "--json", *paths).splitlines()
    given = [json.loads(line) for line in lines if line.startswith("{")]
    for row, one in zip(expected.values(), given, strict=True):
        first = one["predictions"][0]
        assert first["label"] == row["predicted"]
        assert first["probability"] == pytest.approx(float(row["probability"]), abs=0.03)


@pytest.mark.parametrize("to", ["openvino", "onnx", "keras", "tflite"])
def test_each_export_is_written_and_agrees(tuned, to):
    """It raises where it would give other probabilities."""
    out = transfer(tuned, "export", "--to", to)
    assert "finetune head on mini features of mine: models/exported/mini_mine" in out


def test_embeddings_are_the_tuned_ones(tuned):
    out = transfer(tuned, "embeddings", "features.parquet")
    # The means of block3 (160), where it is cut, block4 (160) and features (512).
    assert f"embeddings: {EACH * len(CLASSES)} images, D = 832" in out
    table = parquet.read_table(tuned.folder / "features.parquet")
    features = np.stack(table["features"].to_pylist())
    with np.load(tuned.folder / "models/head.npz") as head:
        logits = features @ head["array/kernel"] + head["array/bias"]
        classes = head["classes"]
    with open(tuned.folder / "reports/predictions.csv", encoding="utf-8") as file:
        predicted = {row["id"]: row["predicted"] for row in csv.DictReader(file)}
    for id_, row in zip(table["id"].to_pylist(), logits, strict=True):
        if id_ in predicted:
            assert classes[row.argmax()] == predicted[id_]


def test_a_linear_head_beside_it(tuned):
    tuned.call("dvc", "exp", "run", "--temp", "-n", "linear", "-S", "head.kind=ridge")
    out = transfer(tuned, "compare", "workspace", "linear")
    assert "mcnemar" in out.lower()
    assert "head.kind" in tuned.call("dvc", "exp", "diff", "HEAD", "linear")


def test_without_a_cut_a_sentence_names_the_option(tuned):
    out = tuned.fail("dvc", "exp", "run", "-S", "extract.cut=null")
    assert "head.kind: finetune needs activations at a cut" in out
    assert "set extract.cut: auto" in out
