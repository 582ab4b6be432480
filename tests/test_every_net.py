"""Every card, and any that a user writes, from seeded filters to features."""

import dataclasses
import shutil

import numpy as np
import pytest

from stages import backbone as stage
from tests.examples import extracted, fill
from tests.imports import ROOT
from transfer.datasets import sources
from transfer.datasets.reading import readers
from transfer.datasets.reading.images import pixels
from transfer.datasets.rendering import sample
from transfer.downloads import manifests
from transfer.features import choices
from transfer.features.engine import BATCH, Engine
from transfer.features.resizing import Square
from transfer.nets import cards, conversion, graphs, networks
from transfer.nets.layers import check_length, chosen_layers


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """A rendered road sign of each of the 12 classes: datasets' Image."""
    folder = ROOT / "data/datasets/sample"
    source, raw = sources.load(folder), tmp_path_factory.mktemp("raw")
    sample.render(raw / sources.RENDERED, source.render | {"images": 1})
    return list(readers.read(source, folder, raw))


@pytest.fixture
def folder(tmp_path):
    """An empty folder that is gone after the test: VGG16 with its dense layers takes 0.6 GB."""
    (tmp_path / "backbone").mkdir()
    yield tmp_path / "backbone"
    shutil.rmtree(tmp_path / "backbone")


def squares_of(card, images):
    """uint8 [N, size, size, 3]."""
    square = Square(card.size, card.resize, card.crop)
    return np.stack([square(pixels(image)) for image in images])


def features_of(card, folder, squares, precision):
    """float32 [N, D], in one batch of N: the time of a test is that of VGG16's batches."""
    layers = chosen_layers(card, "card")
    engine = Engine(graphs.open_pooled(folder, layers, card.size, len(squares)), precision)
    features = np.empty((len(squares), engine.length), np.float32)
    assert fill(engine, [(range(len(squares)), squares)], features) == len(squares)
    return features


def pooled(values, cells):
    """Means [N, cells * cells * c] of a map [N, h, w, c]; what is no map stays as it is."""
    if values.ndim == 2:
        return values
    n, h, w, c = values.shape
    return values.reshape(n, cells, h // cells, cells, w // cells, c).mean((2, 4)).reshape(n, -1)


def cosines(one, two):
    return (one * two).sum(1) / np.linalg.norm(one, axis=1) / np.linalg.norm(two, axis=1)


def networks_of_cards():
    """{name: [Card]}: cards of one network, which is built once for all of them."""
    groups = {}
    for net in cards.known():
        card = cards.load(cards.CARDS / f"{net}.yaml")
        what = (card.builder, card.include_top, card.size, card.pixels, card.seed)
        groups.setdefault(what, []).append(card)
    return {" ".join(card.name for card in group): group for group in groups.values()}


NETWORKS = networks_of_cards()


@pytest.mark.parametrize("nets", NETWORKS)
def test_untrained_features_are_kerass_in_f32_and_close_in_bf16(nets, folder, images):
    group = NETWORKS[nets]
    every = tuple(dict.fromkeys(layer for card in group for layer in card.layers))
    model = networks.build(group[0])
    networks.randomise(model, group[0].seed)
    whole = networks.with_pixels(model, dataclasses.replace(group[0], multi=every))
    depths = graphs.save(whole, every, {}, folder)
    for card in group:
        check_length(card, depths)
        squares = squares_of(card, images[::3])
        exact, fast = (features_of(card, folder, squares, p) for p in ("f32", "bf16"))
        assert exact.shape == fast.shape == (4, card.features)

        ((layer, cells),) = chosen_layers(card, "card")
        values = dict(zip(every, whole.predict_on_batch(squares[:1]), strict=True))
        expected = pooled(values[layer], cells)
        # Sums in another order: measured at 5e-6 of the largest feature at most.
        assert np.abs(exact[:1] - expected).max() <= 5e-5 * np.abs(expected).max()

        # Measured: .99988 for vgg_relu6, .99994 and more for the others.
        assert cosines(exact, fast).min() >= 0.9998
        # Worth a head: no two images are the same to the net.
        apart = exact / np.linalg.norm(exact, axis=1, keepdims=True)
        assert (apart @ apart.T - np.eye(4)).max() < 1 - 1e-5


CARD = """\
builder: keras.applications.MobileNetV2
weights: {name: w.h5, licence: Apache 2.0}
size: 96
resize: bilinear
pixels: {order: RGB, mean: [127.5, 127.5, 127.5], divisor: 127.5}
layer: out_relu
features: 1280
multi: [block_6_expand_relu, "block_13_expand_relu:3"]
parameters: 2257984
"""


def test_another_network_of_keras_works_by_writing_a_card(tmp_path, folder, images, capsys):
    (tmp_path / "mobile.yaml").write_text(CARD)
    (tmp_path / "weights").mkdir()
    manifests.write(tmp_path / "weights", "untrained", seed=3)
    stage.main(tmp_path / "mobile.yaml", tmp_path / "weights", folder)
    assert "untrained; 2,257,984 parameters; block_6_expand_relu [192]" in capsys.readouterr().out
    assert graphs.read_about(folder)["weights"] == {"origin": "untrained", "seed": 3}
    card = cards.load(tmp_path / "mobile.yaml")
    squares = squares_of(card, images)
    exact, fast = (features_of(card, folder, squares, p) for p in ("f32", "bf16"))
    # Its blocks end without ReLU, so sums cancel and bf16 shows more than in the nets above.
    assert cosines(exact, fast).min() >= 0.998
    given = {"layers": "multi", "size": 64, "views": "auto", "cut": None, "precision": "bf16"}
    given = {f"extract.{key}": value for key, value in given.items()} | {"extract.engine": "auto"}
    choice = choices.choose(card, sources.Source("mine", "own"), given)
    graph = graphs.open_pooled(folder, choice.layers, choice.size, BATCH)
    members, square = [image.member for image in images], Square(choice.size, card.resize)
    features = extracted(iter(images), members, Engine(graph, "bf16"), square)
    assert features.shape == (12, 192 + 9 * 576)
    assert np.isfinite(features).all()
    assert (features.std(axis=0) > 0).mean() > 0.9


def test_a_network_whose_activations_the_converter_takes_for_outputs(tmp_path, folder, images):
    text = CARD.replace("MobileNetV2", "EfficientNetB0").replace("2257984", "4049571")
    text = text.replace("127.5, 127.5, 127.5], divisor: 127.5", "0, 0, 0], divisor: 1")
    text = text.replace("out_relu", "top_activation").split("multi")[0] + "parameters: 4049571\n"
    (tmp_path / "efficient.yaml").write_text(text)
    (tmp_path / "weights").mkdir()
    manifests.write(tmp_path / "weights", "untrained", seed=3)
    stage.main(tmp_path / "efficient.yaml", tmp_path / "weights", folder)
    card = cards.load(tmp_path / "efficient.yaml")
    squares = squares_of(card, images[:2])
    model, _ = conversion.filled(card, tmp_path / "weights")
    expected = networks.with_pixels(model, card).predict_on_batch(squares).mean(axis=(1, 2))
    found = features_of(card, folder, squares, "f32")
    assert np.abs(found - expected).max() <= 5e-5 * np.abs(expected).max()
