"""AlexNet: shapes, the published file's layout, and the converted network against Keras."""

import dataclasses

import numpy as np
import pytest

from tests.examples import fill
from transfer.errors import InputError
from transfer.features.engine import BATCH, Engine
from transfer.nets import cards, graphs, networks

FORMS = {
    "alexnet": ("lrn", "maxpool", (57, 57), (28, 28)),
    "alexnet_caffe": ("norm", "pool", (55, 55), (27, 27)),
}
# As bvlc_alexnet.npy holds them: [height, width, channels of one group, filters].
ARRAYS = {
    "conv1": [(11, 11, 3, 96), (96,)],
    "conv2": [(5, 5, 48, 256), (256,)],
    "conv3": [(3, 3, 256, 384), (384,)],
    "conv4": [(3, 3, 192, 384), (384,)],
    "conv5": [(3, 3, 192, 256), (256,)],
    "fc6": [(9216, 4096), (4096,)],
    "fc7": [(4096, 4096), (4096,)],
    "fc8": [(4096, 1000), (1000,)],
}


def card_of(net):
    return cards.load(cards.CARDS / f"{net}.yaml")


@pytest.mark.parametrize("net", FORMS)
def test_layers_arrays_and_shapes(net):
    norm, pool, first, second = FORMS[net]
    model = networks.build(card_of(net))
    assert model.count_params() == 60_965_224
    held = {layer.name: [w.shape for w in layer.weights] for layer in model.layers if layer.weights}
    assert held == ARRAYS
    assert {layer.name: tuple(layer.output.shape[1:]) for layer in model.layers} == {
        "image": (227, 227, 3),
        "conv1": (*first, 96),
        f"{norm}1": (*first, 96),
        f"{pool}1": (*second, 96),
        "conv2": (*second, 256),
        f"{norm}2": (*second, 256),
        f"{pool}2": (13, 13, 256),
        "conv3": (13, 13, 384),
        "conv4": (13, 13, 384),
        "conv5": (13, 13, 256),
        f"{pool}5": (6, 6, 256),
        "flat": (9216,),
        "fc6": (4096,),
        "fc7": (4096,),
        "fc8": (1000,),
    }


@pytest.fixture(scope="module", params=FORMS)
def converted(request, tmp_path_factory):
    """(card of every layer, folder of the converted network, {layer: Keras' values}, images)."""
    norm, pool, *_ = FORMS[request.param]
    names = [f"conv1 {norm}1 {pool}1 conv2 {norm}2 {pool}2 conv3 conv4 conv5 {pool}5 fc6 fc7"]
    card = dataclasses.replace(card_of(request.param), multi=tuple(names[0].split()))
    model = networks.build(card)
    networks.randomise(model, 0)
    whole = networks.with_pixels(model, card)
    folder = tmp_path_factory.mktemp("backbones") / card.name
    folder.mkdir()
    graphs.save(whole, card.layers, {}, folder)
    images = np.zeros((BATCH, 227, 227, 3), np.uint8)
    images[:3] = np.random.default_rng(0).integers(0, 256, (3, 227, 227, 3))
    expected = dict(zip(card.layers, whole.predict(images[:3], verbose=0), strict=True))
    yield card, folder, expected, images
    (folder / "network.bin").unlink()  # 0.2 GB


@pytest.mark.parametrize(("precision", "most"), [("f32", 2e-5), ("bf16", 0.03)])
def test_lrn_and_groups_run_in_openvino_as_in_keras(converted, precision, most):
    """f32 differs by the order of sums; bf16 keeps 8 bits, so a value by 1/256 at most in each
    of a few layers.  Twelve outputs: the converter's tenth must not pass for the second."""
    card, folder, expected, images = converted
    graph = graphs.open_pooled(folder, [(name, 1) for name in card.layers], 227, BATCH)
    engine = Engine(graph, precision)
    features = np.empty((3, engine.length), np.float32)
    assert fill(engine, [([0, 1, 2], images)], features) == 3
    for name, values in expected.items():
        pooled = values.mean(axis=(1, 2)) if values.ndim == 4 else values
        ours, features = np.split(features, [pooled.shape[1]], axis=1)
        assert np.abs(ours - pooled).max() <= most * np.abs(pooled).max(), name
    assert features.shape[1] == 0


@pytest.mark.parametrize("size", [131, 195, 226, 448])
def test_another_size_is_refused(converted, size):
    with pytest.raises(
        InputError,
        match=f"alexnet.* can't take images of {size} px: its dense layers take 227 px alone; "
        "choose extract.size: card",
    ):
        graphs.open_pooled(converted[1], [("conv3", 1)], size, BATCH)
