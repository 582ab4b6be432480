"""Two engines: Keras gives the features that OpenVINO gives; and which of them is taken."""

import dataclasses
import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from keras import config
from PIL import Image as Pillow

from tests.examples import fill
from tests.imports import ROOT
from transfer import params
from transfer.datasets import sources
from transfer.datasets.reading import decoder
from transfer.downloads import manifests
from transfer.errors import InputError
from transfer.features import choices, engines, gpus
from transfer.features.choices import Choice
from transfer.features.engine import BATCH
from transfer.features.recipe import recipe
from transfer.features.resizing import Square
from transfer.features.streams import batches
from transfer.heads import kinds, trained
from transfer.nets import cards, conversion, graphs, networks, pooling
from transfer.serving import classifier

N = BATCH + 3  # more than one batch, the last one not full
CHOSEN = {  # net: layers joined (cells that overlap; a layer alone; a dense one), size
    "mini": ((("block2", 5), ("features", 1), ("block2", 1)), 64),
    "squeezenet": ((("fire9", 3),), 150),
    "alexnet": ((("conv5", 3), ("fc7", 1)), 227),
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """folders(net): (card, backbone, weights) of a net with random filters, as after `backbone`."""
    made = {}

    def of(net):
        if net not in made:
            folder, card = tmp_path_factory.mktemp(net), cards.load(cards.CARDS / f"{net}.yaml")
            (folder / "weights").mkdir()
            manifests.write(folder / "weights", "untrained", seed=0)
            conversion.convert(card, folder / "weights", folder / net)
            made[net] = card, folder / net, folder / "weights"
        return made[net]

    return of


def squares(size):
    """uint8 [N, size, size, 3]: a few soft spots of colour each."""
    rng = np.random.default_rng(0)
    spots = [Pillow.fromarray(rng.integers(0, 256, (7, 7, 3), np.uint8)) for _ in range(N)]
    return np.stack([np.asarray(spot.resize((size, size))) for spot in spots])


def opened(places, engine, precision="f32", net="mini"):
    card, backbone, weights = places
    layers, size = CHOSEN[net]
    choice = Choice(layers, size, ("plain",), precision, engine)
    return engines.opened(choice, card, backbone, weights)


def features_of(engine, images):
    """float32 [N, D]"""
    found = np.full((len(images), engine.length), np.nan, np.float32)
    filled = batches(enumerate(images), images.shape[1], engine.batch)
    assert fill(engine, filled, found) == len(images)
    return found


def cosines(one, two):
    return (one * two).sum(1) / np.linalg.norm(one, axis=1) / np.linalg.norm(two, axis=1)


@pytest.mark.parametrize("net", CHOSEN)
def test_features_are_those_of_openvino(folders, net):
    places, images = folders(net), squares(CHOSEN[net][1])
    expected = features_of(opened(places, "openvino", net=net), images)
    exact = features_of(opened(places, "keras", net=net), images)
    # Sums in another order: measured at 1.1e-6 of the largest feature.
    assert np.abs(exact - expected).max() <= 1e-5 * np.abs(expected).max()
    np.testing.assert_allclose(exact, expected, rtol=1e-3, atol=1e-5 * np.abs(expected).max())
    assert not tf.config.experimental.tensor_float_32_execution_enabled()

    mixed = opened(places, "keras", "bf16", net)
    fast = features_of(mixed, images)
    assert (mixed.precision, fast.dtype) == ("bf16", np.float32)
    assert cosines(fast, expected).min() >= 0.9998
    assert np.abs(fast - expected).max() > 1e-5 * np.abs(expected).max(), "no bfloat16 at work"
    assert (fast.view(np.uint32) & 0xFFFF).any(), "means were taken in bfloat16"
    assert config.dtype_policy().name == "float32"


def test_features_of_real_weights_and_photos(mirror, tmp_path):
    card = cards.load(cards.CARDS / "squeezenet.yaml")
    name = card.weights[0].name
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / name).symlink_to(mirror / name)
    sha256 = hashlib.sha256((mirror / name).read_bytes()).hexdigest()
    manifests.write(tmp_path / "weights", "mirror", [{"name": name, "sha256": sha256}])
    conversion.convert(card, tmp_path / "weights", tmp_path / "squeezenet")
    square = Square(CHOSEN["squeezenet"][1], card.resize)
    photos = sorted((mirror / "images").iterdir())
    images = np.stack([square(decoder.decode(path.read_bytes())) for path in photos])
    places = card, tmp_path / "squeezenet", tmp_path / "weights"
    expected = features_of(opened(places, "openvino", net="squeezenet"), images)
    exact = features_of(opened(places, "keras", net="squeezenet"), images)
    np.testing.assert_allclose(exact, expected, rtol=1e-3, atol=1e-5 * expected.max())
    fast = features_of(opened(places, "keras", "bf16", "squeezenet"), images)
    assert cosines(fast, expected).min() >= 0.9998


def test_cells_that_do_not_divide_the_area_overlap():
    rows = np.arange(5, dtype=np.float32).reshape(1, 5, 1, 1) * np.ones((1, 5, 5, 1), np.float32)
    found = np.asarray(pooling.pooled(rows, 3)).reshape(3, 3)  # rows 0-1, 1-3 and 3-4
    np.testing.assert_allclose(found, [[0.5] * 3, [2.0] * 3, [3.5] * 3])
    np.testing.assert_allclose(np.asarray(pooling.pooled(rows, 1)), [[2.0]])


@pytest.mark.parametrize("precision", ["f32", "bf16"])
def test_an_image_gives_the_same_bits_wherever_it_stands(folders, precision):
    images = squares(64)
    together = features_of(opened(folders("mini"), "keras", precision), images)
    again = opened(folders("mini"), "keras", precision)
    order = np.random.default_rng(1).permutation(N)
    np.testing.assert_array_equal(features_of(again, images[order]), together[order])
    for n in (0, BATCH - 1, N - 1):  # first, last of a full batch, in the padded one
        np.testing.assert_array_equal(features_of(again, images[n : n + 1])[0], together[n])
    assert features_of(again, images[:0]).shape == (0, again.length)


def test_an_answer_is_given_while_the_next_batch_is_under_way(folders):
    images, taken = squares(64), []

    def given():
        for rows, filled in batches(enumerate(images[:2]), 64, 1):
            taken.append(rows)
            yield rows, filled

    card, backbone, weights = folders("mini")
    choice = Choice(*CHOSEN["mini"], ("plain",), "f32", "keras")
    stream = engines.opened(choice, card, backbone, weights, batch=1).stream(given())
    assert next(stream)[0] == [0]
    assert taken == [[0], [1]]
    assert [rows for rows, _ in stream] == [[1]]


def test_a_device_with_too_little_memory_is_one_sentence(folders, monkeypatch):
    def run(images):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating\n tensor")

    engine = opened(folders("mini"), "keras")
    monkeypatch.setattr(engine, "_run", run)
    with pytest.raises(InputError, match="has too little memory for 16 images of 64 px at a tim"):
        features_of(engine, squares(64))


PROCESS = """
import os, sys
import numpy as np
from pathlib import Path
from transfer.features import choices, gpus
assert "openvino" not in sys.modules
from transfer.features import engines
from transfer.nets import cards
engine, backbone, weights = sys.argv[1], *map(Path, sys.argv[2:])
choice = choices.Choice((("block2", 5), ("features", 1)), 64, ("plain",), "f32", engine)
opened = engines.opened(choice, cards.load("models/cards/mini.yaml"), backbone, weights)
images = np.random.default_rng(0).integers(0, 256, (opened.batch, 64, 64, 3), np.uint8)
((_, found),) = opened.stream([(range(opened.batch), images)])
print(hash(found.tobytes()), "tensorflow" in sys.modules, os.environ.get("CUDA_VISIBLE_DEVICES"))
"""


def in_a_process(places, engine, **env):
    kept = {name: value for name, value in os.environ.items() if name != "CUDA_VISIBLE_DEVICES"}
    return subprocess.run(
        [sys.executable, "-c", PROCESS, engine, *map(str, places[1:])],
        cwd=ROOT,
        env=kept | {"PYTHONHASHSEED": "0"} | env,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()


def test_processes_agree_and_a_gpu_is_to_be_seen_by_keras_alone(folders):
    places = folders("mini")
    assert in_a_process(places, "openvino")[1:] == ["False", "None"]
    features, *first = in_a_process(places, "keras")
    assert first == ["True", "0"]
    # Which of several is for the user to say.
    assert in_a_process(places, "keras", CUDA_VISIBLE_DEVICES="0,1") == [features, "True", "0,1"]


@pytest.mark.parametrize("engine", choices.ENGINES)
def test_what_a_net_cannot_give_is_one_sentence_whatever_the_engine(folders, engine):
    def tried(layers=(("features", 1),), size=64, net="mini"):
        card, backbone, weights = folders(net)
        choice = Choice(layers, size, ("plain",), "f32", engine)
        return engines.opened(choice, card, backbone, weights)

    with pytest.raises(InputError, match=r"layer features of mini is 4 x 4 at 64 px, .* 5 x 5 cel"):
        tried((("features", 5),))
    with pytest.raises(InputError, match="unknown layer of mini 'feature'; known: features"):
        tried((("feature", 1),))
    with pytest.raises(
        InputError, match="can't take images of 64 px: its dense layers take 227 px"
    ):
        tried((("fc7", 1),), net="alexnet")


def test_weights_that_are_not_the_backbones(folders, tmp_path):
    card, backbone, _ = folders("mini")
    with pytest.raises(InputError, match=r"manifest.json is not here; run `dvc repro`"):
        opened((card, backbone, tmp_path), "keras")
    manifests.write(tmp_path, "untrained", seed=1)
    with pytest.raises(InputError, match=r"\(seed 1\) are not those that .* \(seed 0\); `dvc rep"):
        opened((card, backbone, tmp_path), "keras")
    manifests.write(tmp_path, "mirror", [{"name": "mini.npy", "sha256": "0123456789abcdef"}])
    with pytest.raises(InputError, match=r"\(0123456789ab\) are not those that .* \(seed 0\)"):
        opened((card, backbone, tmp_path), "keras")
    for damaged in ({"files": []}, {"files": [{"name": "mini.npy"}]}, {"files": [7]}):
        manifests.write(tmp_path, "mirror", **damaged)
        with pytest.raises(InputError, match=r"manifest.json names no weights; remove it and run"):
            opened((card, backbone, tmp_path), "keras")


def test_a_network_that_fails_to_fill_leaves_the_policy_as_it_was(folders):
    card, backbone, weights = folders("mini")
    with pytest.raises(InputError, match="mini has 1,389,024 parameters and the card"):
        opened((dataclasses.replace(card, parameters=1), backbone, weights), "keras", "bf16")
    assert config.dtype_policy().name == "float32"


GIVEN = {f"extract.{key}": "auto" for key in ("layers", "size", "views", "engine")}
GIVEN |= {"extract.cut": None, "extract.precision": "f32"}


def chosen(engine):
    card = cards.load(cards.CARDS / "mini.yaml")
    return choices.choose(card, sources.Source("mine", "own"), GIVEN | {"extract.engine": engine})


def test_auto_is_what_the_machine_has_and_says_so(monkeypatch):
    monkeypatch.setattr(gpus, "lacking", lambda: "no NVIDIA GPU here")
    assert chosen("auto").engine == "openvino"
    assert chosen("auto").picked == "openvino (auto: no NVIDIA GPU here)"
    assert (chosen("keras").engine, chosen("keras").picked) == ("keras", "keras")
    monkeypatch.setattr(gpus, "lacking", lambda: "")
    assert chosen("auto").engine == "keras"
    assert chosen("auto").picked == "keras (auto: TensorFlow can use the GPU here)"
    assert (chosen("openvino").engine, chosen("openvino").picked) == ("openvino", "openvino")


def test_an_engine_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="unknown engine 'kears'; known: keras, auto, openvino"):
        chosen("kears")
    (tmp_path / "params.yaml").write_text("extract: {engine: cuda}\n")
    with pytest.raises(InputError, match="engine must be one of auto, openvino, keras; received"):
        params.read("extract.engine", path=tmp_path / "params.yaml")


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine with all that TensorFlow needs of a GPU: its /dev, and its packages, as folders."""
    for folder in ("dev", "tensorflow/python/platform", "nvidia/cudnn/lib"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "dev/nvidia0").touch()
    (tmp_path / "tensorflow/__init__.py").touch()
    written = "build_info = OrderedDict([('is_cuda_build', True), ('is_rocm_build', False)])"
    (tmp_path / "tensorflow/python/platform/build_info.py").write_text(written)
    monkeypatch.setattr(gpus, "DEVICES", tmp_path / "dev")
    monkeypatch.setattr(gpus, "find_library", lambda name: None)
    monkeypatch.setattr(gpus.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    for name in ("tensorflow", "nvidia"):  # else the search ends at what is imported
        monkeypatch.delitem(sys.modules, name, raising=False)
    return tmp_path


def test_a_gpu_that_tensorflow_can_use(machine):
    assert gpus.lacking() == ""
    (machine / "dev/nvidia0").rename(machine / "dev/dxg")  # Windows' Linux
    assert gpus.lacking() == ""


def test_what_a_gpu_lacks(machine, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,0")
    assert gpus.lacking() == ""
    for hiding in ("-1", "", " -1,0"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hiding)
        assert gpus.lacking() == "CUDA_VISIBLE_DEVICES hides the GPU"
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    (machine / "nvidia/cudnn/lib").rmdir()
    assert gpus.lacking().startswith("TensorFlow lacks CUDA's libraries, which `pip install 'tens")
    monkeypatch.setattr(gpus, "find_library", lambda name: f"lib{name}.so.9")
    assert gpus.lacking() == ""
    written = machine / "tensorflow/python/platform/build_info.py"
    written.write_text(written.read_text().replace("('is_cuda_build', True)", "x"))
    assert gpus.lacking() == "this build of TensorFlow can't use a GPU"
    written.unlink()
    assert gpus.lacking() == "this build of TensorFlow can't use a GPU"
    (machine / "dev/nvidia0").rename(machine / "dev/nvidiactl")  # the driver's alone
    assert gpus.lacking() == "no NVIDIA GPU here"


def test_the_build_of_the_tensorflow_here_is_told_as_it_tells_itself():
    assert gpus._is_built_with_cuda() == tf.test.is_built_with_cuda()


def recipe_by(places, engine, precision="f32"):
    card, backbone, _ = places
    found = opened(places, engine, precision)
    choice = Choice(*CHOSEN["mini"], ("plain",), precision, engine)
    return found, recipe(card, graphs.read_about(backbone), found, choice)


def test_the_recipe_tells_the_engine_its_versions_and_the_device(folders):
    _, ours = recipe_by(folders("mini"), "openvino")
    engine, kerass = recipe_by(folders("mini"), "keras", "bf16")
    assert kerass["versions"] == {
        "keras": networks.VERSIONS["keras"],
        "tensorflow": f"{networks.VERSIONS['tensorflow']} on {engine.device}",
        "decoder": decoder.VERSION,
    }
    assert (kerass["engine"], kerass["precision"], kerass["batch"]) == ("keras", "bf16", BATCH)
    assert (engine.device == "cpu") == (not tf.config.list_physical_devices("GPU"))
    assert (ours["engine"], ours["batch"]) == ("openvino", BATCH)
    assert ours["versions"] == {"openvino": graphs.VERSION, "decoder": decoder.VERSION}
    differ = {key for key in ours if ours[key] != kerass[key]}
    assert differ == {"engine", "precision", "versions"}


def test_predict_tells_that_the_head_was_trained_on_another_engines_features(folders, tmp_path):
    places, images = folders("mini"), squares(64)
    engine, made = recipe_by(places, "keras")
    made["batch"] = 64
    made["source"] = {"net": "mini", "dataset": "spots", "weights": "untrained"}
    features = features_of(engine, images)
    options = {"epochs": 5, "batch_size": 8, "seed": 0}
    arrays, *_ = kinds.fit("softmax", (features,), np.arange(N) % 3, 3, options)
    head = trained.Head("softmax", arrays, list("abc"), "mini", "spots", made, {}, options)
    head.save(tmp_path / "head.npz")
    model = classifier.load(tmp_path / "head.npz", backbones=places[1].parent)
    assert model.notes == [
        f"{tmp_path / 'head.npz'} was trained on slightly other features: here engine openvino "
        f"instead of keras, batch {BATCH} instead of 64"
    ]
    expected = head.probabilities((features,))
    np.testing.assert_allclose(model.probabilities(images), expected, atol=1e-4)
