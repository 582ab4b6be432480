"""int8: the quantised network beside the float one, its features, and who may use them."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest

from stages import backbone as stage
from tests.examples import fill
from tests.imports import ROOT
from tests.test_every_net import CARD, cosines
from transfer.datasets import sources
from transfer.datasets.rendering import calibration
from transfer.downloads import manifests
from transfer.errors import InputError
from transfer.features import announced, choices, engine, engines, gpus
from transfer.features.choices import Choice
from transfer.features.engine import BATCH, Engine
from transfer.features.recipe import recipe
from transfer.features.resizing import Square
from transfer.features.store import keys
from transfer.features.streams import batches
from transfer.heads import kinds, trained
from transfer.nets import cards, conversion, graphs, quantisation
from transfer.serving import agreement, classifier
from transfer.serving.exports import export, openvino_ir

MANY = 12  # pictures to calibrate on, here


@pytest.fixture(scope="module")
def pictures():
    """uint8 RGB [128, 128, 3] each: MANY to calibrate on and BATCH + 3 to try it with."""
    source = calibration.pictures()
    return [next(source) for _ in range(MANY + BATCH + 3)]


def squares_of(card, pictures):
    """uint8 [N, S, S, 3]."""
    return np.stack([Square(card.size, card.resize, card.crop)(one) for one in pictures])


def made(card, folder, pictures):
    """The backbone of `card`, with random filters, in both forms in the new folder `folder`."""
    weights = folder.parent / f"{folder.name}_weights"
    weights.mkdir()
    manifests.write(weights, "untrained", seed=0)
    conversion.convert(card, weights, folder)
    quantisation.quantise(folder, squares_of(card, pictures[:MANY]))
    return folder


@pytest.fixture(scope="module")
def mini():
    return cards.load(cards.CARDS / "mini.yaml")


@pytest.fixture(scope="module")
def backbone(mini, pictures, tmp_path_factory):
    return made(mini, tmp_path_factory.mktemp("backbones") / "mini", pictures)


def features_of(folder, layers, images, precision):
    """float32 [N, D]"""
    size = images.shape[1]
    opened = Engine(graphs.open_pooled(folder, layers, size, BATCH, precision), precision)
    found = np.full((len(images), opened.length), np.nan, np.float32)
    assert fill(opened, batches(enumerate(images), size, BATCH), found) == len(images)
    return found


DEPTHWISE = CARD.replace("block_13_expand_relu:3", "block_13_depthwise_relu:3")
# Measured with random filters: the least cosine of an image's features to those in f32.
LEAST = {"mini": 0.999, "mobile": 0.97, "alexnet": 0.998}


@pytest.mark.parametrize("net", LEAST)
def test_every_layer_is_close_to_f32_and_no_number_is_the_same(net, pictures, tmp_path):
    path = cards.CARDS / f"{net}.yaml"
    if net == "mobile":  # depthwise convolutions, blocks without ReLU at their end
        path = tmp_path / "mobile.yaml"
        path.write_text(DEPTHWISE)
    card = cards.load(path)
    folder = made(card, tmp_path / net, pictures)
    images = squares_of(card, pictures[MANY : MANY + 4])
    for layer in card.layers:
        exact, fast = (features_of(folder, [(layer, 1)], images, p) for p in ("f32", "int8"))
        assert exact.shape == fast.shape
        assert LEAST[net] <= cosines(exact, fast).min() < 1 - 1e-7


def test_cells_are_pooled_in_floating_point(backbone, mini, pictures):
    images = squares_of(mini, pictures[MANY:])
    layers = [("block2", 4), ("features", 1)]
    both = features_of(backbone, layers, images, "int8")
    assert both.shape == (len(images), 16 * 128 + 512)
    assert len(np.unique(both)) > 256  # else the last step was one of 8 bits
    exact = features_of(backbone, layers, images, "f32")
    assert np.abs(both - exact).max() < 0.1 * np.abs(exact).max()


def test_an_image_gives_the_same_bits_wherever_it_stands(backbone, mini, pictures):
    images = squares_of(mini, pictures[MANY:])
    together = features_of(backbone, [("block4", 1)], images, "int8")
    order = np.random.default_rng(1).permutation(len(images))
    shuffled = features_of(backbone, [("block4", 1)], images[order], "int8")
    np.testing.assert_array_equal(shuffled, together[order])
    for n in (0, BATCH - 1, len(images) - 1):  # first, last of a full batch, in the padded one
        alone = features_of(backbone, [("block4", 1)], images[n : n + 1], "int8")
        np.testing.assert_array_equal(alone[0], together[n])


def test_without_bf16_the_rest_runs_in_f32_and_the_recipe_says_so(
    backbone, mini, pictures, head, monkeypatch
):
    images = squares_of(mini, pictures[MANY:])
    usual = features_of(backbone, [("block4", 1)], images, "int8")
    monkeypatch.setattr(engine, "runs_in", lambda core, precision: "int8+f32")
    graph = graphs.open_pooled(backbone, [("block4", 1)], mini.size, BATCH, "int8")
    assert Engine(graph, "int8").precision == "int8+f32"
    assert cosines(features_of(backbone, [("block4", 1)], images, "int8"), usual).min() > 0.999
    path, _, expected = head
    model = classifier.load(path, backbones=backbone.parent)
    trained_so = trained.load(path).recipe["precision"] == "int8+f32"
    expected_notes = [] if trained_so else ["precision int8+f32 instead of int8"]
    assert [note.partition(": here ")[2] for note in model.notes] == expected_notes
    np.testing.assert_allclose(model.probabilities(images), expected, atol=0.02)
    assert agreement.precision_of({"precision": "int8+f32"}) == "int8"
    assert agreement.precision_of({"precision": "f16"}) == "f32"


PROCESS = """
import sys
import numpy as np
from pathlib import Path
from transfer.nets import quantisation
quantisation.quantise(Path(sys.argv[1]), np.load(sys.argv[2]))
print([name for name in ("tensorflow", "torch", "openvino_telemetry") if sys.modules.get(name)])
"""


def test_the_same_bytes_again_here_and_in_another_process(backbone, mini, pictures, tmp_path):
    names = (*graphs.FILES, *graphs.QUANTISED, graphs.ABOUT)
    first = {name: (backbone / name).read_bytes() for name in names}
    squares = squares_of(mini, pictures[:MANY])
    quantisation.quantise(backbone, squares)
    assert {name: (backbone / name).read_bytes() for name in names} == first
    np.save(tmp_path / "squares.npy", squares)
    words = [sys.executable, "-c", PROCESS, str(backbone), str(tmp_path / "squares.npy")]
    run = subprocess.run(words, cwd=ROOT, check=True, capture_output=True, text=True)
    assert (run.stdout, run.stderr) == ("[]\n", "")
    assert {name: (backbone / name).read_bytes() for name in names} == first


def test_other_pictures_make_another_network(backbone, mini, pictures, tmp_path):
    before = graphs.read_about(backbone)
    other = tmp_path / "mini"
    other.mkdir()
    for name in (*graphs.FILES, graphs.ABOUT):
        (other / name).write_bytes((backbone / name).read_bytes())
    quantisation.quantise(other, squares_of(mini, pictures[MANY : MANY + 3]) // 2)
    after = graphs.read_about(other)
    assert after["quantised"] != before["quantised"]
    assert after["graph"] == before["graph"]


def test_pictures_to_calibrate_on_are_the_same_ones_of_full_contrast(pictures, monkeypatch):
    monkeypatch.setattr(calibration, "COUNT", 3)
    again = list(calibration.pictures())
    assert len(again) == 3
    for one, other in zip(again, pictures, strict=False):
        np.testing.assert_array_equal(one, other)
        assert (one.dtype, one.shape) == (np.uint8, (128, 128, 3))
        assert (one.min(), one.max()) == (0, 255)


def test_the_stage_writes_the_int8_network_for_int8_alone(tmp_path, monkeypatch, capsys):
    shipped = (ROOT / "params.yaml").read_text()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(calibration, "COUNT", 2)
    (tmp_path / "weights").mkdir()
    manifests.write(tmp_path / "weights", "untrained", seed=0)
    abouts = {}
    for precision in ("int8", "bf16"):
        (tmp_path / "params.yaml").write_text(
            shipped.replace("  precision: bf16\n", f"  precision: {precision}\n")
        )
        stage.main(ROOT / cards.CARDS / "mini.yaml", tmp_path / "weights", tmp_path / "mini")
        abouts[precision] = graphs.read_about(tmp_path / "mini")
        expected = {graphs.ABOUT, *graphs.FILES}
        expected |= set(graphs.QUANTISED) if precision == "int8" else set()
        assert {path.name for path in (tmp_path / "mini").iterdir()} == expected
        assert ("; in int8 too\n" in capsys.readouterr().out) == (precision == "int8")
    assert set(abouts["bf16"]) == {"graph", "layers", "net", "versions", "weights"}
    assert set(abouts["int8"]) - set(abouts["bf16"]) == {"quantised"}
    assert set(abouts["int8"]["versions"]) - set(abouts["bf16"]["versions"]) == {"nncf"}


GIVEN = {f"extract.{key}": "auto" for key in ("layers", "size", "views", "engine")}
GIVEN |= {"extract.cut": None, "extract.precision": "int8"}


def test_openvino_alone_runs_int8(mini, monkeypatch):
    monkeypatch.setattr(gpus, "lacking", lambda: "")  # a GPU, which auto else picks
    choice = choices.choose(mini, sources.Source("mine", "own"), GIVEN)
    assert (choice.engine, choice.precision) == ("openvino", "int8")
    assert choice.picked == "openvino (auto: keras has no int8)"
    with pytest.raises(InputError, match=r"keras can't run the int8 network, .* choose extract.en"):
        choices.choose(mini, sources.Source("mine", "own"), GIVEN | {"extract.engine": "keras"})


def test_the_recipe_is_of_the_int8_network_and_never_of_another_precision(backbone, mini):
    about, found = graphs.read_about(backbone), {}
    for precision in ("f32", "bf16", "int8"):
        choice = Choice((("features", 1),), 64, ("plain",), precision, "openvino")
        said, open_engine = announced.announce(
            choice, lambda choice=choice: engines.opened(choice, mini, backbone, None)
        )
        found[precision] = recipe(mini, about, said, choice)
        assert recipe(mini, about, open_engine(), choice) == found[precision]
    assert found["int8"]["precision"] in ("int8", "int8+f32")
    assert found["int8"]["graph"] == about["quantised"]
    assert found["f32"]["graph"] == found["bf16"]["graph"] == about["graph"]
    others = [keys.of_recipe(found[precision], "plain") for precision in ("f32", "bf16")]
    mine = keys.of_recipe(found["int8"], "plain")
    assert mine not in others
    # Other calibration, other features.
    recalibrated = recipe(mini, about | {"quantised": "0" * 64}, said, choice)
    assert keys.of_recipe(recalibrated, "plain") != mine
    # The float features stay those of a backbone that has no int8 network.
    float_alone = {key: value for key, value in about.items() if key != "quantised"}
    choice = dataclasses.replace(choice, precision="f32")
    said = dataclasses.replace(said, precision="f32")
    assert recipe(mini, float_alone, said, choice)["graph"] == about["graph"]


def test_a_backbone_without_its_int8_network_is_one_sentence(backbone, mini, tmp_path):
    about = {"net": "mini", "graph": "x"}
    with pytest.raises(
        InputError, match="backbone of mini is here without its int8 network; `dvc exp"
    ):
        graphs.graph_of(about, "int8")
    with pytest.raises(InputError, match=r"quantised.xml is not here or damaged; run `dvc repro"):
        graphs.open_pooled(tmp_path, (("features", 1),), 64, BATCH, "int8")


@pytest.fixture
def head(backbone, mini, pictures, tmp_path):
    """(path, images [N, S, S, 3], probabilities [N, C]) of a head trained on int8 features."""
    images = squares_of(mini, pictures[MANY:])
    choice = Choice((("block2", 4),), mini.size, ("plain",), "int8", "openvino")
    opened = engines.opened(choice, mini, backbone, None)
    features = features_of(backbone, choice.layers, images, "int8")
    found = recipe(mini, graphs.read_about(backbone), opened, choice)
    found["source"] = {"net": "mini", "dataset": "scenes", "weights": "untrained"}
    options = {"epochs": 5, "batch_size": 8, "seed": 0}
    arrays, *_ = kinds.fit("softmax", (features,), np.arange(len(images)) % 3, 3, options)
    made = trained.Head("softmax", arrays, list("abc"), "mini", "scenes", found, {}, options)
    made.save(tmp_path / "head.npz")
    return tmp_path / "head.npz", images, made.probabilities((features,))


def test_predict_uses_the_network_that_the_head_was_trained_on(head, backbone):
    path, images, expected = head
    model = classifier.load(path, backbones=backbone.parent)
    assert model.notes == []
    np.testing.assert_array_equal(model.probabilities(images), expected)


def test_predict_without_the_int8_network_says_what_brings_it(head, backbone, tmp_path):
    path, _, _ = head
    folder = tmp_path / "backbones/mini"
    folder.mkdir(parents=True)
    for name in (*graphs.FILES, *graphs.QUANTISED, graphs.ABOUT):
        (folder / name).write_bytes((backbone / name).read_bytes())
    binary = (folder / "quantised.bin").read_bytes()
    (folder / "quantised.bin").write_bytes(binary[:-1] + bytes([binary[-1] ^ 1]))
    with pytest.raises(InputError, match=r"mini is damaged; remove it, then `dvc exp .*=int8"):
        classifier.load(path, backbones=folder.parent)
    (folder / "quantised.bin").unlink()
    with pytest.raises(
        InputError, match="was trained in int8 and the backbone of mini is here"
    ) as no:
        classifier.load(path, backbones=folder.parent)
    brings = "-S net=mini -S weights=random -S extract.precision=int8 backbone` brings it"
    assert brings in str(no.value)


def test_an_export_is_the_float_network_and_says_so(head, backbone, tmp_path):
    path, images, expected = head
    models = tmp_path / "models"
    (models / "backbones").mkdir(parents=True)
    (models / "backbones/mini").symlink_to(backbone)
    (models / "cards").symlink_to(ROOT / cards.CARDS)
    line = export.export("openvino", tmp_path / "out", path, models)
    assert "; in f32, the head was trained on int8" in line
    found = openvino_ir.run(tmp_path / "out" / openvino_ir.FILES[0], images)
    assert 0 < np.abs(found - expected).max() < 0.05
