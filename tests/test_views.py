"""Views: exact pixels, what an export's graph makes of them, and which a dataset allows."""

import numpy as np
import openvino as ov
import pytest

from transfer.datasets import sources
from transfer.errors import InputError
from transfer.features import choices, rules
from transfer.features.choices import choose
from transfer.features.views import VIEWS
from transfer.nets import cards
from transfer.nets.graphs import ops
from transfer.serving.exports import keras_views, openvino_views

RNG = np.random.default_rng(4)


def grey(*values):
    """uint8 [1, n, 3]: n pixels, their three channels equal."""
    return np.repeat(np.array(values, np.uint8)[None, :, None], 3, axis=2)


def one_off(size, base):
    """A single grey but for one number, of size * size * 3, that is one more."""
    image = np.full((size, size, 3), base, np.uint8)
    image[size // 2, 0, 1] += 1
    return image


IMAGES = {
    "noise": RNG.integers(0, 256, (24, 24, 3), np.uint8),
    "dull": RNG.integers(118, 124, (24, 24, 3), np.uint8),
    "dark": RNG.integers(0, 30, (24, 24, 3), np.uint8) ** 2 // 30,
    "black and white": np.where(RNG.random((24, 24, 1)) < 0.1, 0, 255).repeat(3, 2).astype("u1"),
    "ramp": np.linspace(0, 255, 24).astype("u1")[:, None, None].repeat(24, 1).repeat(3, 2),
    "black": np.zeros((24, 24, 3), np.uint8),
    "white": np.full((24, 24, 3), 255, np.uint8),
    "one number off": one_off(24, 200),
}


def test_known_answers():
    image = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    assert VIEWS["plain"](image) is image
    assert VIEWS["flipped"](image).tolist() == [
        [[3, 4, 5], [0, 1, 2]],
        [[9, 10, 11], [6, 7, 8]],
    ]
    # Mean 127.5 and sd 127.5 become 127.5 and 64: 63.5 and 191.5, whose nearest even are 64, 192.
    assert VIEWS["contrast"](grey(0, 255))[0, :, 0].tolist() == [64, 192]
    # Mean 20 and sd 10 sqrt(2/3) = 8.165; 64 / 8.165 = 7.838 a level.
    assert VIEWS["contrast"](grey(10, 20, 30))[0, :, 0].tolist() == [49, 128, 206]
    # Seven of mean 10, one of 90: m = 20, sd = 26.458, 2.419 a level; 296.8 is cut.
    assert VIEWS["contrast"](grey(*[10] * 7, 90))[0, :, 0].tolist() == [103] * 7 + [255]


def test_contrast_looks_at_all_channels_together():
    red = np.zeros((1, 2, 3), np.uint8)
    red[..., 0] = 240
    # m = 80, sd = 80 sqrt(2) = 113.1: the colours stay apart.
    assert VIEWS["contrast"](red)[0, 0].tolist() == [218, 82, 82]


@pytest.mark.parametrize("value", [0, 1, 77, 255])
def test_a_single_grey_becomes_the_mean(value):
    assert (VIEWS["contrast"](np.full((9, 9, 3), value, np.uint8)) == round(rules.MEAN)).all()


@pytest.mark.parametrize("size", [8, 96, 224])
def test_noise_of_one_number_is_not_blown_up(size):
    found = VIEWS["contrast"](one_off(size, 200)).astype(int)
    off = found[size // 2, 0, 1]
    found[size // 2, 0, 1] = 127
    assert set(np.unique(found)) <= {127, 128}
    assert off - 127 <= rules.SD / rules.LEAST + 1


@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.parametrize("kind", IMAGES)
def test_shape_type_and_the_input_stay_as_they_are(name, kind):
    image = IMAGES[kind].copy()
    image.flags.writeable = False
    found = VIEWS[name](image)
    assert (found.shape, found.dtype) == (image.shape, np.uint8)
    np.testing.assert_array_equal(image, IMAGES[kind])
    turned = VIEWS[name](np.ascontiguousarray(image[::-1]))  # nothing hangs on where a pixel is
    np.testing.assert_array_equal(turned, found[::-1])
    np.testing.assert_array_equal(VIEWS[name](image[:, ::-1]), VIEWS[name](image)[:, ::-1])


@pytest.mark.parametrize("kind", IMAGES)
def test_flipping_twice_is_the_image(kind):
    twice = VIEWS["flipped"](VIEWS["flipped"](IMAGES[kind]))
    np.testing.assert_array_equal(twice, IMAGES[kind])


@pytest.mark.parametrize("kind", ["noise", "dull", "dark", "ramp"])
def test_contrast_brings_mean_and_deviation_to_theirs(kind):
    x = IMAGES[kind].astype(float)
    expected = (x - x.mean()) * rules.SD / x.std() + rules.MEAN
    found = VIEWS["contrast"](IMAGES[kind])
    assert np.abs(found - expected.clip(0, 255)).max() <= 0.5 + 1e-9
    inside = (expected >= 0) & (expected <= 255)
    if inside.all():
        assert abs(found.mean() - rules.MEAN) < 0.5
        assert abs(found.std() - rules.SD) < 0.5


def by_openvino(images, names):
    image = ops.parameter([-1, *images.shape[1:]], np.uint8, name="image")
    graph = ov.Model([ops.result(image)], [image], "views")
    openvino_views.stack(graph, names)
    compiled = ov.compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.array(compiled(images)[0])


def by_keras(images, names):
    return np.asarray(keras_views.stacked(images, names))


@pytest.mark.parametrize("graph", [by_openvino, by_keras])
def test_a_graph_sees_the_same_to_a_grey_level(graph):
    images = np.stack(list(IMAGES.values()))
    names = ["flipped", "contrast", "plain"]
    found = graph(images, names)
    assert found.dtype == np.uint8
    parts = dict(zip(names, np.split(found, 3), strict=True))
    for name, part in parts.items():
        expected = np.stack([VIEWS[name](image) for image in images])
        if name == "contrast":
            off = np.abs(part.astype(int) - expected)
            assert off.max() <= 1
            assert (off[:5] > 0).mean() < 0.01
        else:
            np.testing.assert_array_equal(part, expected)


def test_every_view_has_a_form_in_each_graph():
    assert set(VIEWS) == set(rules.NAMES) == set(openvino_views.VIEWS) == set(keras_views.VIEWS)


MINI = cards.load(cards.CARDS / "mini.yaml")
GIVEN = {f"extract.{key}": "auto" for key in ("layers", "size", "views", "engine")}
GIVEN |= {"extract.cut": None, "extract.precision": "f32"}


def chosen(recommend=None, flip=False, **given):
    source = sources.Source("mine", "own", flip=flip, recommend=recommend or {})
    return choose(MINI, source, GIVEN | {f"extract.{key}": value for key, value in given.items()})


def test_views_come_in_the_order_given():
    assert chosen(views=["contrast", "plain"]).views == ("contrast", "plain")
    assert chosen({"any": {"views": ["plain", "contrast"]}}).views == ("plain", "contrast")
    assert chosen({"any": {"views": ["contrast"]}}, views=["plain"]).views == ("plain",)
    assert chosen({"mini": {"views": ["flipped"]}}, flip=True).views == ("flipped",)
    assert isinstance(chosen(), choices.Choice)


FILE = "data/datasets/mine/source.yaml"


@pytest.mark.parametrize(
    ("recommend", "given", "sentence"),
    [
        ({}, {"views": ["mirror"]}, "unknown view 'mirror'; known: "),
        ({}, {"views": ["plain", "contrast", "plain"]}, "extract.views names plain twice"),
        (
            {},
            {"views": ["plain", "flipped"]},
            f"extract.views names flipped, and {FILE} does not say that mirroring keeps the label; "
            "set flip: true there if it does, or leave flipped out",
        ),
        ({}, {"layers": ["block2", "block2:1"]}, "extract.layers names block2 twice"),
        (
            {},
            {"layers": ["block4", "block2:4", "block2:4"]},
            "extract.layers names block2 in 4x4 cells twice",
        ),
        (
            {"any": {"views": ["plain", "flipped"]}},
            {},
            f"(recommend.any.views in {FILE} asks for it: correct it there, or choose extract.vie",
        ),
        (
            {"mini": {"views": ["plaid"]}},
            {},
            f"flipped, contrast (recommend.mini.views in {FILE} asks for it",
        ),
        (
            {"any": {"layers": ["mixed8"]}},
            {},
            "unknown layer of mini 'mixed8'; known: block1, block2, block3, block4, features "
            f"(recommend.any.layers in {FILE} asks for it: correct it there, or choose "
            "extract.layers)",
        ),
    ],
)
def test_what_cant_be_chosen_is_told_in_a_sentence(recommend, given, sentence):
    with pytest.raises(InputError) as fault:
        chosen(recommend, **given)
    assert sentence in str(fault.value)
    assert "\n" not in str(fault.value)


def test_cells_of_one_layer_and_its_whole_are_no_doubles():
    assert chosen(layers=["block2", "block2:2", "features"]).layers == (
        ("block2", 1),
        ("block2", 2),
        ("features", 1),
    )
    assert len(chosen(layers="multi", views=["plain", "contrast"]).layers) == len(MINI.multi)
