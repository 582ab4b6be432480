"""AlexNet and GoogLeNet layer by layer against a forward pass of another hand."""

import keras
import numpy as np
import pytest

from tests import forward
from transfer.datasets.reading import decoder
from transfer.features.resizing import Square
from transfer.nets import cards, networks, weights

# Layers that only move numbers.
SILENT = ("image", "conv1_pad", "flat")


def weights_of(model):
    return {layer.name: layer.get_weights() for layer in model.layers if layer.weights}


def outputs_of(model, x):
    """{layer: values} of every layer but the silent ones."""
    names = [layer.name for layer in model.layers if layer.name not in SILENT]
    whole = keras.Model(model.input, [model.get_layer(name).output for name in names])
    return dict(zip(names, whole.predict(x, verbose=0), strict=True))


def assert_equal(ours, theirs):
    # Both are exact but for float32, whose rounding of sums of up to 9,216 products of either sign
    # was measured at 3e-6 of a layer's largest value, growing with depth; a wrong pad, group,
    # order or constant moves it by tenths.
    assert set(ours) == set(theirs)
    for name, values in theirs.items():
        assert ours[name].shape == values.shape, name
        assert np.abs(ours[name] - values).max() <= 2e-5 * np.abs(values).max(), name


@pytest.mark.parametrize(
    ("net", "padded", "norm", "pool"),
    [("alexnet", True, "lrn", "maxpool"), ("alexnet_caffe", False, "norm", "pool")],
)
def test_alexnet_layer_by_layer(net, padded, norm, pool):
    model = networks.build(cards.load(cards.CARDS / f"{net}.yaml"))
    networks.randomise(model, 1)
    rng = np.random.default_rng(2)
    for layer in model.layers:
        if layer.weights:
            kernel, biases = layer.get_weights()
            scale = 0.02 if layer.name == "fc8" else 1  # no class takes all
            layer.set_weights([kernel * scale, rng.normal(0, 0.5, biases.shape)])
    x = rng.uniform(-128, 128, (2, 227, 227, 3)).astype(np.float32)
    theirs = forward.alexnet(x.astype(np.float64), weights_of(model), padded, norm, pool)
    assert 1e-4 < theirs["fc8"].max() < 0.9
    assert_equal(outputs_of(model, x), theirs)


def test_googlenet_layer_by_layer_with_its_real_weights(mirror):
    card = cards.load(cards.CARDS / "googlenet.yaml")
    model = networks.build(card)
    file = card.weights[0].name
    networks.load(model, weights.read(mirror / file), file)
    photo = decoder.decode((mirror / "images" / "poodle.png").read_bytes())
    bgr = Square(card.size, card.resize)(photo)[None, ..., ::-1].astype(np.float64)
    x = bgr - card.pixels.mean
    theirs = forward.googlenet(x, weights_of(model))
    assert theirs["loss3_classifier"].argmax() == 266  # miniature_poodle
    assert_equal(outputs_of(model, x.astype(np.float32)), theirs)
