"""Exports: each file alone gives what predict's computation gives, and says what it is."""

import io
import itertools
import json
import subprocess
import sys
import zipfile

import keras
import numpy as np
import onnx
import onnxruntime
import openvino as ov
import pytest
from ai_edge_litert.interpreter import Interpreter
from keras import layers
from PIL import Image

from tests.examples import fill
from tests.imports import ROOT
from transfer.datasets.reading import decoder
from transfer.downloads import manifests
from transfer.errors import InputError
from transfer.features.engine import BATCH, Engine
from transfer.features.resizing import Square
from transfer.heads import kinds, trained
from transfer.nets import cards, graphs, networks
from transfer.nets import weights as files
from transfer.nets.local_response import LocalResponse
from transfer.serving.exports import (
    keras_file,
    metadata,
    onnx_file,
    onnx_operations,
    openvino_ir,
    usage,
)
from transfer.serving.exports.export import FORMATS, TOLERANCE, export

TINY = """
builder: tiny
weights: {seed: 3}
size: 40
resize: bicubic
crop: centre
pixels: {order: BGR, mean: [104, 117, 123], divisor: 40}
layer: conv2
features: 12
multi: [norm1, conv2, fc]
parameters: 98352
"""


def tiny(image):
    """What other nets have and mini lacks: local response normalisation, groups, a dense layer."""
    x = layers.Conv2D(8, 5, strides=2, padding="same", activation="relu", name="conv1")(image)
    x = LocalResponse(name="norm1")(x)
    x = layers.Conv2D(12, 3, groups=2, padding="same", activation="relu", name="conv2")(x)
    x = layers.Flatten()(layers.MaxPooling2D(3, 2, name="pool2")(x))
    return layers.Dense(100, activation="relu", name="fc")(x)


def write_head(models, card, parts, kind="softmax", classes=5, **changes):
    """A head on the backbone in `models`, drawn so that its answers are neither flat nor certain;
    returns the Head."""
    about = graphs.read_about(models / "backbones" / card.name)
    size = changes.get("size", card.size)
    recipe = {
        "weights": graphs.weights_of(about),
        "graph": about["graph"],
        "layers": parts,
        "size": size,
        "resize": card.resize,
        "crop": card.crop,
        "pixels": {
            "order": card.pixels.order,
            "mean": list(card.pixels.mean),
            "divisor": card.pixels.divisor,
        },
        "views": ["plain"],
        "engine": "openvino",
        "batch": BATCH,
        "precision": "bf16",
        "versions": {"openvino": "1", "decoder": "1"},
        "source": {"net": card.name, "dataset": "sample", "weights": about["weights"]["origin"]},
    } | changes
    rng = np.random.default_rng(0)
    x = features(models, recipe, card.name, rng.integers(0, 256, (8, size, size, 3), np.uint8))
    widths = [x.shape[1], classes] if kind == "softmax" else [x.shape[1], 16, classes]
    arrays = {}
    for i, (d, u) in enumerate(itertools.pairwise(widths)):
        scale = 1 / (np.linalg.norm(x - x.mean(axis=0), axis=1).mean() if i == 0 else d**0.5)
        kernel = (scale * rng.standard_normal((d, u))).astype(np.float32)
        bias = rng.standard_normal(u).astype(np.float32)
        arrays[f"kernel_{i}"] = kernel
        arrays[f"bias_{i}"] = bias - x.mean(axis=0) @ kernel if i == 0 else bias
    names = [f'class "{i}", ü' for i in range(classes)]
    head = trained.Head(kind, arrays, names, card.name, "sample", recipe, {}, {"epochs": 5})
    head.save(models / "head.npz")
    return head


def features(models, recipe, net, images):
    """float32 [N, D] as extract and predict compute them, in f32."""
    parts = [(name, int(k or 1)) for name, _, k in (p.partition(":") for p in recipe["layers"])]
    folder, size = models / "backbones" / net, recipe["size"]
    engine = Engine(graphs.open_pooled(folder, parts, size, BATCH), "f32")
    filled = np.zeros((BATCH, size, size, 3), np.uint8)
    filled[: len(images)] = images
    found = np.empty((len(images), engine.length), np.float32)
    fill(engine, [(list(range(len(images))), filled)], found)
    return found


def build(models, text, name, file=None):
    """Cards, weights and backbone as the stages leave them; returns the Card."""
    path = models / "cards" / f"{name}.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")
    card = cards.load(path)
    weights, backbone = models / "weights" / name, models / "backbones" / name
    weights.mkdir(parents=True)
    backbone.mkdir(parents=True)
    model = networks.build(card)
    if file:
        (weights / file.name).symlink_to(file)
        entry = {"name": file.name, "sha256": "ab" * 32, "origin": "mirror"}
        manifests.write(weights, "mirror", [entry])
        networks.load(model, files.read(file), file.name)
        source = {"origin": "mirror", "sha256": entry["sha256"]}
    else:
        manifests.write(weights, "untrained", seed=card.seed)
        networks.randomise(model, card.seed)
        source = {"origin": "untrained", "seed": card.seed}
    about = {"net": name, "weights": source}
    graphs.save(networks.with_pixels(model, card), card.layers, about, backbone)
    return card


@pytest.fixture(scope="module")
def nets(tmp_path_factory):
    """{net: (models folder, Head)} of `tiny`, and of `mini` at another size than its card's."""
    made = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(networks.OWN, "tiny", tiny)
        patch.setattr(networks, "DENSE", (*networks.DENSE, "tiny"))
        models = tmp_path_factory.mktemp("tiny")
        card = build(models, TINY, "tiny")
        # Cells that divide 20 x 20 and such that don't; a layer twice; one that is not a map.
        parts = ["norm1:3", "conv2", "conv2:5", "fc"]
        made["tiny"] = models, write_head(models, card, parts)
        models = tmp_path_factory.mktemp("mini")
        card = build(models, (cards.CARDS / "mini.yaml").read_text(encoding="utf-8"), "mini")
        made["mini"] = models, write_head(models, card, ["block2:2"], kind="mlp", size=64)
        yield made


@pytest.fixture(scope="module")
def exported(nets):
    """{(net, format): path} of every export, each made once."""
    found = {}
    for net, (models, _) in nets.items():
        (models / "out").mkdir()
        for to in FORMATS:
            out = models / "out" / f"exported{FORMATS[to]}"
            export(to, out, models / "head.npz", models)
            found[net, to] = out
    return found


def run_keras(path, images):
    return keras.saving.load_model(path).predict(images, verbose=0)


def run_onnx(path, images):
    session = onnxruntime.InferenceSession(path)
    return session.run(["probabilities"], {"image": images})[0]


def run_openvino(path, images):
    model = ov.compile_model(path / "model.xml", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return model({"image": images})["probabilities"]


def run_tflite(path, images):
    return Interpreter(str(path)).get_signature_runner()(image=images)["probabilities"]


RUN = {"keras": run_keras, "onnx": run_onnx, "openvino": run_openvino, "tflite": run_tflite}


def three_images(size):
    """uint8 [3, size, size, 3]: noise, a ramp and black."""
    images = np.zeros((3, size, size, 3), np.uint8)
    images[0] = np.random.default_rng(5).integers(0, 256, (size, size, 3))
    images[1] = np.linspace(0, 255, size)[:, None, None] * [1, 0.5, 0.1]
    return images


@pytest.mark.parametrize("to", FORMATS)
@pytest.mark.parametrize("net", ["mini", "tiny"])
def test_the_file_gives_what_predict_gives(nets, exported, net, to):
    models, head = nets[net]
    images = three_images(head.recipe["size"])
    expected = head.probabilities((features(models, head.recipe, net, images),))
    assert expected.std(axis=0).max() > 0.05  # else no fault of the network would show
    found = RUN[to](exported[net, to], images)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=TOLERANCE)
    np.testing.assert_allclose(RUN[to](exported[net, to], images[:1]), expected[:1], atol=TOLERANCE)


def test_a_real_network_on_a_real_picture(mirror, tmp_path):
    text = (cards.CARDS / "googlenet.yaml").read_text(encoding="utf-8")
    card = build(tmp_path, text, "googlenet", mirror / "bvlc_googlenet.npy")
    head = write_head(tmp_path, card, ["inception_3b:3", "inception_4e"])
    picture = decoder.decode((mirror / "images" / "poodle.png").read_bytes())
    square = Square(card.size, card.resize, card.crop)(picture)[None]
    expected = head.probabilities((features(tmp_path, head.recipe, "googlenet", square),))
    for to in ("keras", "onnx"):
        out = tmp_path / f"out{FORMATS[to]}"
        export(to, out, tmp_path / "head.npz", tmp_path)
        np.testing.assert_allclose(RUN[to](out, square), expected, atol=TOLERANCE)


@pytest.mark.parametrize("to", FORMATS)
def test_the_printed_snippet_classifies_a_photo(nets, exported, to):
    """In another process, which sees the runtime and the file and nothing of this project."""
    models, head = nets["tiny"]
    folder = exported["tiny", to].parent
    photo = three_images(141)[1][:91]  # not square, with an odd margin
    Image.fromarray(photo).save(folder / "photo.jpg", quality=95)
    run = subprocess.run(
        [sys.executable, "-I", "-c", usage.SNIPPETS[to]],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1", "PYTHONUTF8": "1"},
    )
    assert run.returncode == 0, run.stderr
    square = Square(40, "bicubic", "centre")(decoder.decode((folder / "photo.jpg").read_bytes()))
    (expected,) = head.probabilities((features(models, head.recipe, "tiny", square[None]),))
    label, _, probability = run.stdout.strip().splitlines()[-1].rpartition(" ")
    assert label == head.classes[expected.argmax()]
    assert float(probability) == pytest.approx(expected.max(), abs=TOLERANCE)


def described(path):
    """The JSON text that the file at `path` carries."""
    if path.suffix == ".onnx":
        properties = onnx.load(path).metadata_props
        return {entry.key: entry.value for entry in properties}[metadata.KEY]
    if path.is_dir():
        return ov.Core().read_model(path / "model.xml").get_rt_info(metadata.KEY).value
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        return archive.read(metadata.JSON)


@pytest.mark.parametrize("to", FORMATS)
def test_the_file_describes_itself(nets, exported, to):
    _, head = nets["tiny"]
    about = json.loads(described(exported["tiny", to]))
    assert about["classes"] == head.classes
    assert about["recipe"] == head.recipe
    assert about["title"] == "softmax head on tiny features of sample, untrained"
    assert about["image"] == {
        "colours": "RGB",
        "crop": "centre",
        "kernel": "bicubic",
        "size": 40,
        "values": "uint8",
    }


@pytest.mark.parametrize("to", ["keras", "tflite"])
def test_labels_are_a_text_in_the_archive(nets, exported, to):
    with zipfile.ZipFile(exported["tiny", to]) as archive:
        labels = archive.read(metadata.LABELS).decode()
    assert labels.splitlines() == nets["tiny"][1].classes


def test_a_class_name_of_two_lines_stays_one_label():
    head = trained.Head("softmax", {}, ["a\nb", "c"], "mini", "sample", {})
    head = trained.Head(**vars(head) | {"recipe": dict.fromkeys(("crop", "resize", "size"), 0)})
    head.recipe["source"] = {"weights": "own"}
    with zipfile.ZipFile(io.BytesIO(metadata.zipped(head, b"network"))) as archive:
        assert archive.read("labels.txt") == b"a b\nc\n"
        assert json.loads(archive.read("transfer.json"))["classes"] == ["a\nb", "c"]


def contents(path):
    found = sorted(path.iterdir()) if path.is_dir() else [path]
    return {file.name: file.read_bytes() for file in found}


@pytest.mark.parametrize("to", FORMATS)
def test_equal_heads_make_equal_bytes(nets, exported, to):
    models, _ = nets["tiny"]
    before = contents(exported["tiny", to])
    line = export(to, exported["tiny", to], models / "head.npz", models)  # over the first
    assert contents(exported["tiny", to]) == before
    assert line.startswith("export: softmax head on tiny features of sample, untrained: ")
    assert line.endswith(
        "image uint8 [N, 40, 40, 3] to probabilities float32 [N, 5]; in f32, the head was trained "
        "on bf16"
    )
    assert not [path for path in exported["tiny", to].parent.iterdir() if path.suffix == ".part"]


QUIET = """
import sys
from transfer.serving.exports.export import export
for to in ("openvino", "onnx", "tflite"):
    assert "tensorflow" not in sys.modules, to
    export(to, None, sys.argv[1] + "/head.npz", sys.argv[1])
"""


def test_exports_are_quiet_and_tensorflow_is_late(nets):
    models, _ = nets["mini"]
    run = subprocess.run(
        [sys.executable, "-c", QUIET, str(models)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
    assert sorted(path.name for path in (models / "exported").iterdir()) == [
        "mini_sample.onnx",
        "mini_sample.tflite",
        "mini_sample_openvino",
    ]


def edited(source, target, **recipe):
    """Copies the models folder by links, the head's recipe changed; returns it."""
    target.mkdir()
    for name in ("cards", "weights", "backbones"):
        (target / name).symlink_to(source / name)
    head = trained.load(source / "head.npz")
    trained.Head(**vars(head) | {"recipe": head.recipe | recipe}).save(target / "head.npz")
    return target


def refused(models, to="onnx", out=None):
    """The one sentence of the refusal."""
    with pytest.raises(InputError) as fault:
        export(to, out, models / "head.npz", models)
    assert "\n" not in str(fault.value)
    return str(fault.value)


def test_an_unknown_format_lists_the_known(tmp_path):
    assert refused(tmp_path, "onx") == "unknown format 'onx'; known: onnx, keras, openvino, tflite"


def test_no_head(tmp_path):
    assert refused(tmp_path).startswith(f"there is no head at {tmp_path / 'head.npz'}; ")


def test_no_card(nets, tmp_path):
    models = edited(nets["mini"][0], tmp_path / "models")
    (models / "cards").unlink()
    assert refused(models) == "unknown net 'mini'; known: none"


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"graph": "0" * 64}, "is not the backbone that"),
        ({"weights": "seed 1"}, "is not the backbone that"),
        ({"layers": ["block9"]}, "unknown layer of mini 'block9'; known: block4, "),
        ({"layers": ["block2:3"]}, "the head takes 512 features an image and the layers"),
        ({"views": ["plain", "upside"]}, "unknown view in the recipe of"),
        ({"views": ["contrast"]}, "was trained on views by other rules: its recipe has {} and"),
    ],
)
def test_what_the_head_asks_for_must_be_here(nets, tmp_path, change, part):
    assert part in refused(edited(nets["mini"][0], tmp_path / "models", **change))


def test_no_backbone(nets, tmp_path):
    models = edited(nets["mini"][0], tmp_path / "models")
    (models / "backbones").unlink()
    assert "the backbone of mini is not here" in refused(models)


@pytest.mark.parametrize("to", ["keras", "tflite"])
def test_no_weights_matter_where_keras_builds_the_network(nets, tmp_path, to):
    models = edited(nets["mini"][0], tmp_path / "models")
    (models / "weights").unlink()
    assert "manifest.json is not here" in refused(models, to)
    manifests.write(models / "weights" / "mini", "untrained", seed=7)
    assert "(seed 7) are not those the head was trained on (seed 0)" in refused(models, to)
    (models / "weights" / "mini" / "manifest.json").write_text('{"origin": "mirror"}')
    assert "names no weights" in refused(models, to)
    assert "onnx" in export("onnx", None, models / "head.npz", models)


def test_a_network_that_answers_otherwise_is_not_written(nets, tmp_path, monkeypatch):
    models = edited(nets["mini"][0], tmp_path / "models")
    out = tmp_path / "mine.keras"
    out.write_text("old")
    monkeypatch.setattr(networks, "randomise", lambda model, seed: None)
    sentence = refused(models, "keras", out)
    assert sentence.startswith("the keras file would give other probabilities than ")
    assert out.read_text() == "old"


def test_a_file_that_cant_be_read_back_is_not_written(nets, tmp_path, monkeypatch):
    def unreadable(path, images):
        raise RuntimeError("no such\noperation")

    monkeypatch.setattr(onnx_file, "run", unreadable)
    sentence = refused(nets["mini"][0], "onnx", tmp_path / "out.onnx")
    assert sentence.startswith("the onnx file can't be read back (no such operation); ")
    assert not list(tmp_path.iterdir())


def test_an_operation_that_onnx_lacks_is_named(nets, monkeypatch):
    monkeypatch.delitem(onnx_operations.OPERATIONS, "Relu")
    assert "mini can't be exported to onnx, which has no operation for its Relu; " in refused(
        nets["mini"][0]
    )


@pytest.mark.parametrize(("to", "table"), [("openvino", openvino_ir), ("keras", keras_file)])
def test_an_operation_of_a_head_that_a_format_lacks_is_named(nets, monkeypatch, to, table):
    monkeypatch.delitem(table.OPERATIONS, "relu")
    monkeypatch.setattr(openvino_ir, "run", lambda *_: 0)
    sentence = refused(nets["mini"][0], to)
    assert sentence.startswith("a head with the operation relu can't be exported to this format, ")


@pytest.mark.parametrize("table", [openvino_ir, keras_file])
def test_every_operation_of_heads_can_be_exported(table):
    assert set(table.OPERATIONS) == set(kinds.OPERATIONS)


@pytest.mark.parametrize(
    ("to", "name", "sentence"),
    [
        ("onnx", "a.keras", "an export to onnx must end with .onnx; received "),
        ("tflite", "folder.tflite", " is a folder; name a file by --out"),
        ("openvino", "file", " is something else than an export; move it, or name another --out"),
        ("openvino", "folder", " is something else than an export; move it, or name another --out"),
    ],
)
def test_what_is_not_an_export_is_left_alone(nets, tmp_path, to, name, sentence):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder.tflite").mkdir()
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "model.xml").write_text("mine")
    (tmp_path / "folder" / "model.bin").write_text("mine")
    assert sentence in refused(nets["mini"][0], to, tmp_path / name)
    assert (tmp_path / "folder" / "model.xml").read_text() == "mine"
    assert (tmp_path / "file").read_text() == "mine"


def test_a_name_from_a_foreign_head_stays_in_the_folder(nets, tmp_path):
    models = edited(nets["mini"][0], tmp_path / "models")
    head = trained.load(models / "head.npz")
    trained.Head(**vars(head) | {"dataset": "../../up/to v1.5"}).save(models / "head.npz")
    export("openvino", None, models / "head.npz", models)
    (made,) = (models / "exported").iterdir()
    assert made.name == "mini_.._.._up_to_v1.5_openvino"


def fitted_on(nets, folder, kind, transform):
    """(models folder, Head) of a head of this kind on the backbone of `mini`, fitted to noise."""
    models, head = nets["mini"]
    size = head.recipe["size"]
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (12, size, size, 3), np.uint8) // (np.arange(12) % 4 + 1)[
        :, None, None, None
    ].astype(np.uint8)
    x, y = features(models, head.recipe, "mini", images), np.arange(12) % 4
    given = {"transform": transform, "strength": 0.01, "folds": 3, "class_weights": "none"}
    options = kinds.options(kind, given | {"seed": 0, "neighbours": 3})
    arrays, curves, selection = kinds.fit(kind, (x,), y, 4, options)
    made = edited(models, folder)
    about = vars(head) | {"kind": kind, "arrays": arrays, "classes": list("abcd")}
    found = trained.Head(**about | {"curves": curves, "selection": selection})
    found.save(made / "head.npz")
    return made, found


@pytest.mark.parametrize("to", FORMATS)
@pytest.mark.parametrize(
    ("kind", "transform"), [("logistic", "power"), ("ridge", "standardise"), ("prototype", "none")]
)
def test_heads_that_are_chosen_by_folds_are_exported(nets, tmp_path, to, kind, transform):
    models, head = fitted_on(nets, tmp_path / "models", kind, transform)
    images = three_images(head.recipe["size"])
    images[2] = images[1] // 3
    expected = head.probabilities((features(models, head.recipe, "mini", images),))
    out = tmp_path / f"out{FORMATS[to]}"
    export(to, out, models / "head.npz", models)
    np.testing.assert_allclose(RUN[to](out, images), expected, atol=TOLERANCE)


def test_a_head_of_neighbours_is_not_exported(nets, tmp_path):
    models, _ = fitted_on(nets, tmp_path / "models", "knn", "none")
    assert refused(models) == (
        "a head of the kind knn can't be exported, since it looks through all training rows; "
        "choose another head.kind"
    )


@pytest.mark.parametrize("kind", ["logistic", "ridge", "prototype"])
@pytest.mark.parametrize("transform", ["none", "standardise", "power"])
def test_operations_are_the_head_that_was_chosen(kind, transform):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 9)).astype(np.float32), np.arange(40) % 4
    x[3] = 0  # a row without a length
    given = {"transform": transform, "strength": 0.01, "folds": 3, "class_weights": "none"}
    arrays, *_ = kinds.fit(kind, (x,), y, 4, kinds.options(kind, given | {"seed": 0}))
    chain, found = kinds.named(kind).operations(arrays), x
    assert [name for name, *_ in chain[-2:]] == ["affine", "softmax"]
    for name, *values in chain:
        if name == "unit_roots":
            length = np.sqrt(np.abs(found).sum(axis=1, keepdims=True))
            found = np.sign(found) * np.sqrt(np.abs(found)) / np.where(length, length, 1)
        elif name == "affine":
            found = found @ values[0] + values[1]
        else:
            found = np.exp(found) / np.exp(found).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found, kinds.named(kind).probabilities(arrays, x), rtol=1e-4)


@pytest.mark.parametrize("hidden", [[], [7], [7, 6]])
def test_operations_are_the_head(hidden):
    rng = np.random.default_rng(0)
    widths = [9, *hidden, 4]
    arrays = {}
    for i, (d, u) in enumerate(itertools.pairwise(widths)):
        arrays |= {f"kernel_{i}": rng.normal(size=(d, u)), f"bias_{i}": rng.normal(size=u)}
    kind = kinds.named("mlp")
    x = features_ = rng.normal(size=(5, 9)).astype(np.float32)
    for name, *values in kind.operations(arrays):
        assert all(value.dtype == np.float32 for value in values)
        if name == "affine":
            x = x @ values[0] + values[1]
        elif name == "relu":
            x = np.maximum(x, 0)
        else:
            x = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(x, kind.probabilities(arrays, features_), rtol=1e-5)
