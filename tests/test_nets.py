"""Networks: counts and shapes as published, pixels as Keras', weights that fit or are named."""

import dataclasses
import json

import h5py
import keras
import numpy as np
import pytest
from keras import applications, layers, ops

from transfer.datasets.reading import decoder
from transfer.errors import InputError
from transfer.features.resizing import Square
from transfer.nets import cards, networks, weights

# Parameters without the classifier for Keras' nets (keras.io/api/applications, include_top=False),
# the whole network for the Caffe nets and for vgg_relu6.
PARAMETERS = {
    "alexnet": 60_965_224,
    "alexnet_caffe": 60_965_224,
    "googlenet": 6_998_552,
    "squeezenet": 1_235_496,
    "resnet": 23_587_712,
    "inception": 21_802_784,
    "inception_mixed8": 21_802_784,
    "vgg": 14_714_688,
    "vgg_relu6": 138_357_544,
}

# With their 1000 classes (keras.io/api/applications; the Caffe nets have theirs anyway), and the
# layer of the probabilities.
CLASSIFIERS = {
    "alexnet": (60_965_224, "fc8"),
    "alexnet_caffe": (60_965_224, "fc8"),
    "googlenet": (6_998_552, "loss3_classifier"),
    "squeezenet": (1_235_496, "prob"),
    "resnet": (25_636_712, "predictions"),
    "inception": (23_851_784, "predictions"),
    "vgg": (138_357_544, "predictions"),
    "vgg_relu6": (138_357_544, "predictions"),
}

# Height, width and channels at the card's size: GoogLeNet table 1, ResNet table 1, InceptionV3
# table 1 and Keras' summary; SqueezeNet 1.1 with pools rounded down (Caffe's prototxt rounds up);
# VGG table 1.
SHAPES = [
    ("googlenet", "conv1_7x7_s2", (112, 112, 64)),
    ("googlenet", "pool1_3x3_s2", (56, 56, 64)),
    ("googlenet", "conv2_3x3", (56, 56, 192)),
    ("googlenet", "inception_3a", (28, 28, 256)),
    ("googlenet", "inception_3b", (28, 28, 480)),
    ("googlenet", "inception_4a", (14, 14, 512)),
    ("googlenet", "inception_4d", (14, 14, 528)),
    ("googlenet", "inception_4e", (14, 14, 832)),
    ("googlenet", "inception_5b", (7, 7, 1024)),
    ("squeezenet", "conv1", (113, 113, 64)),
    ("squeezenet", "fire2", (56, 56, 128)),
    ("squeezenet", "fire5", (27, 27, 256)),
    ("squeezenet", "fire9", (13, 13, 512)),
    ("resnet", "conv2_block3_out", (56, 56, 256)),
    ("resnet", "conv3_block4_out", (28, 28, 512)),
    ("resnet", "conv4_block6_out", (14, 14, 1024)),
    ("resnet", "conv5_block3_out", (7, 7, 2048)),
    ("inception", "mixed0", (35, 35, 256)),
    ("inception", "mixed2", (35, 35, 288)),
    ("inception", "mixed3", (17, 17, 768)),
    ("inception_mixed8", "mixed8", (8, 8, 1280)),
    ("inception", "mixed10", (8, 8, 2048)),
    ("vgg", "block1_pool", (112, 112, 64)),
    ("vgg", "block3_pool", (28, 28, 256)),
    ("vgg", "block5_pool", (7, 7, 512)),
    ("vgg_relu6", "block5_pool", (7, 7, 512)),
    ("vgg_relu6", "fc1", (4096,)),
    ("mini", "block2", (12, 12, 128)),
    ("mini", "features", (6, 6, 512)),
]


def card_of(net):
    return cards.load(cards.CARDS / f"{net}.yaml")


class Built(dict):
    """Networks by net, each built when it is first asked for: VGG16 alone takes 0.6 GB."""

    def __missing__(self, net):
        self[net] = networks.build(card_of(net))
        return self[net]


@pytest.fixture(scope="module")
def built():
    return Built()


@pytest.mark.parametrize("net", PARAMETERS)
def test_parameters_as_published(built, net):
    assert built[net].count_params() == PARAMETERS[net] == card_of(net).parameters


@pytest.mark.parametrize("net", CLASSIFIERS)
def test_a_nets_own_classes(net):
    parameters, layer = CLASSIFIERS[net]
    card = cards.classifier(card_of(net))
    model = networks.build(card)
    assert (card.layer, card.parameters, model.count_params()) == (layer, parameters, parameters)
    probabilities = model.get_layer(layer)
    assert probabilities is model.layers[-1]
    assert probabilities.output.shape[-1] == 1000
    if not isinstance(probabilities, layers.Softmax):
        assert probabilities.activation is keras.activations.softmax


def test_mini_is_small(built):
    assert built["mini"].count_params() <= 1_500_000


@pytest.mark.parametrize(("net", "layer", "shape"), SHAPES)
def test_layer_shapes_as_published(built, net, layer, shape):
    size = card_of(net).size
    output = built[net].get_layer(layer).output
    cut = keras.Model(built[net].input, output)
    assert cut.compute_output_shape((1, size, size, 3)) == (1, *shape)


def test_the_table_of_applications_is_kerass():
    assert set(networks.APPLICATIONS) <= set(dir(applications))
    classes = {n for n in dir(applications) if n[0].isupper()}
    assert classes - set(networks.APPLICATIONS) == set()


# Whose `preprocess_input` the pixels of a card must equal, by its builder.
REFERENCES = {
    "keras.applications.ResNet50": applications.resnet50,
    "keras.applications.InceptionV3": applications.inception_v3,
    "keras.applications.VGG16": applications.vgg16,
}
KERASS = [net for net in cards.known() if card_of(net).builder.startswith("keras.applications.")]


@pytest.mark.parametrize("net", KERASS)
def test_pixels_as_keras_prepares_them(net):
    card = dataclasses.replace(card_of(net), multi=(), cuts={}, layer="same")
    reference = REFERENCES[card.builder]
    image = keras.Input((5, 7, 3) if card.include_top else (None, None, 3))
    identity = keras.Model(image, layers.Activation("linear", name="same")(image))
    pixels = np.random.default_rng(0).integers(0, 256, (2, 5, 7, 3), np.uint8)
    pixels[0, 0, 0], pixels[0, 0, 1] = 0, 255
    before = pixels.copy()
    (ours,) = networks.with_pixels(identity, card).predict(pixels, verbose=0)[None]
    theirs = reference.preprocess_input(pixels.astype(np.float32))
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    np.testing.assert_array_equal(pixels, before)


def test_dense_layers_fix_the_size(built):
    whole = networks.with_pixels(built["vgg_relu6"], card_of("vgg_relu6"))
    assert whole.input.shape == (None, 224, 224, 3)
    assert networks.with_pixels(built["mini"], card_of("mini")).input.shape == (None, None, None, 3)


def test_random_filters_are_those_of_the_seed(built):
    model = built["squeezenet"]
    networks.randomise(model, 7)
    first = model.get_weights()
    networks.randomise(model, 8)
    assert not np.array_equal(model.get_weights()[0], first[0])
    networks.randomise(model, 7)
    for one, two in zip(model.get_weights(), first, strict=True):
        np.testing.assert_array_equal(one, two)
    kernel = first[0]  # conv1 [3, 3, 3, 64]
    np.testing.assert_allclose(kernel.mean(axis=(0, 1, 2)), 0, atol=1e-6)
    assert kernel.std() == pytest.approx(np.sqrt(2 / 27), rel=0.1)
    deeper = model.get_layer("fire2_expand3x3").get_weights()[0]  # [3, 3, 16, 64]
    assert np.abs(deeper.mean(axis=(0, 1, 2))).max() > 1e-3
    assert deeper.std() == pytest.approx(np.sqrt(2 / 144), rel=0.1)


@pytest.mark.parametrize("net", ["mini", "resnet"])
def test_random_networks_stay_finite_and_inference_ignores_neighbours(built, net):
    model = built[net]
    networks.randomise(model, 0)
    images = np.random.default_rng(0).normal(0, 50, (3, 64, 64, 3)).astype(np.float32)
    together = ops.convert_to_numpy(model(images, training=False))
    alone = ops.convert_to_numpy(model(images[:1], training=False))
    assert np.isfinite(together).all()
    np.testing.assert_allclose(alone[0], together[0], rtol=1e-4, atol=1e-4 * together.std())


def tiny():
    image = keras.Input((None, None, 3))
    x = layers.Conv2D(2, 1, name="one")(image)
    return keras.Model(image, layers.Conv2D(2, 1, name="two")(x), name="tiny")


def arrays(**changed):
    values = {"one": [(1, 1, 3, 2), (2,)], "two": [(1, 1, 2, 2), (2,)]} | changed
    rng = np.random.default_rng(0)
    return {n: [rng.normal(size=s).astype(np.float32) for s in v] for n, v in values.items()}


def test_weights_go_to_the_layers_of_their_name():
    model, given = tiny(), arrays()
    networks.load(model, dict(reversed(given.items())), "w.npy")
    np.testing.assert_array_equal(model.get_layer("two").get_weights()[0], given["two"][0])


def test_other_names_of_equal_shapes_go_by_order():
    model, given = tiny(), arrays()
    networks.load(model, {f"conv2d_{i}": v for i, v in enumerate(given.values())}, "w.h5")
    np.testing.assert_array_equal(model.get_layer("two").get_weights()[0], given["two"][0])


def test_weights_of_another_network_are_named_on_both_sides():
    with pytest.raises(
        InputError,
        match=r"w.npy does not fit tiny: .* not in the file: two; not in the network: three",
    ):
        networks.load(tiny(), {"one": arrays()["one"], "three": [np.zeros(4)]}, "w.npy")
    with pytest.raises(InputError, match=r"layer two needs \[\(1, 1, 2, 2\), \(2,\)\]"):
        networks.load(tiny(), arrays(two=[(1, 1, 2, 3), (3,)]), "w.npy")
    model = tiny()
    before = model.get_weights()
    with pytest.raises(InputError):
        networks.load(model, arrays(two=[(1, 1, 2, 3), (3,)]), "w.npy")
    np.testing.assert_array_equal(model.get_weights()[0], before[0])


def test_wrong_parameter_count_builder_and_layer():
    mini = card_of("mini")
    with pytest.raises(InputError, match="has 1,389,024 parameters and the card of mini says 5"):
        networks.build(dataclasses.replace(mini, parameters=5))
    with pytest.raises(InputError, match=r"unknown builder.*known: keras.applications.ResNet50,"):
        networks.build(dataclasses.replace(mini, builder="keras.applications.ResNet5"))
    with pytest.raises(
        InputError, match="unknown layer in the card of mini 'blok2'; known: block2"
    ):
        networks.with_pixels(networks.build(mini), dataclasses.replace(mini, layer="blok2"))


def test_npy_and_h5_files_of_kerass_and_the_courses_form(tmp_path):
    given = arrays()
    np.save(tmp_path / "w.npy", given, allow_pickle=True)
    read = weights.read(tmp_path / "w.npy")
    np.testing.assert_array_equal(read["two"][0], given["two"][0])
    with h5py.File(tmp_path / "old.h5", "w") as file:
        file.attrs["layer_names"] = [b"input", *(n.encode() for n in given)]
        file.create_group("input").attrs["weight_names"] = []
        for name, (kernel, bias) in given.items():
            group = file.create_group(name)
            group.attrs["weight_names"] = [f"{name}/kernel:0".encode(), f"{name}/bias:0".encode()]
            group[f"{name}/kernel:0"] = kernel.astype(np.float16)
            group[f"{name}/bias:0"] = bias
    read = weights.read(tmp_path / "old.h5")
    assert list(read) == ["one", "two"]
    assert read["one"][0].dtype == np.float32
    np.testing.assert_array_equal(read["one"][0], given["one"][0].astype(np.float16))


def test_a_file_of_another_network_is_told_by_its_count(tmp_path):
    np.save(tmp_path / "w.npy", arrays(), allow_pickle=True)
    card = dataclasses.replace(card_of("mini"), parameters=14)
    weights.check_count(tmp_path / "w.npy", card)
    with pytest.raises(InputError, match=r"w.npy holds 14 parameters and resnet has 23,587,712"):
        weights.check_count(tmp_path / "w.npy", card_of("resnet"))


def test_files_that_are_no_weights(tmp_path):
    (tmp_path / "w.h5").write_bytes(b"not HDF5")
    with pytest.raises(InputError, match=r"w.h5 can't be read as HDF5"):
        weights.read(tmp_path / "w.h5")
    h5py.File(tmp_path / "x.h5", "w").close()
    with pytest.raises(InputError, match=r"x.h5 is HDF5, but not a weights file of Keras"):
        weights.read(tmp_path / "x.h5")
    np.save(tmp_path / "a.npy", np.zeros(3))
    with pytest.raises(InputError, match=r"a.npy must hold a dict of name -> \[weights, biases\]"):
        weights.read(tmp_path / "a.npy")
    np.save(tmp_path / "b.npy", {"one": [np.array([1.0, np.nan])]}, allow_pickle=True)
    with pytest.raises(InputError, match=r"b.npy: layer one holds more than finite floats"):
        weights.read(tmp_path / "b.npy")
    for name, value in (("c", 1e300), ("d", 1)):  # what float32 can't hold, and no float
        np.save(tmp_path / f"{name}.npy", {"one": [np.array([value])]}, allow_pickle=True)
        with pytest.raises(InputError, match=rf"{name}.npy: layer one holds more than finite"):
            weights.read(tmp_path / f"{name}.npy")
    with pytest.raises(
        InputError, match=r"w.ckpt: weights are read from .npy, .h5, .caffemodel files"
    ):
        weights.read(tmp_path / "w.ckpt")


# Probabilities of the mirror's README, of an independent run in float32.
PHOTOS = [
    ("googlenet", "poodle.png", {"miniature_poodle": 0.56, "toy_poodle": 0.27}),
    ("googlenet", "weasel.png", {"weasel": 0.84}),
    ("squeezenet", "poodle.png", {"miniature_poodle": 0.65, "toy_poodle": 0.34}),
    ("squeezenet", "weasel.png", {"weasel": 0.97}),
]


@pytest.mark.parametrize(("net", "photo", "expected"), PHOTOS)
def test_real_weights_recognise_real_photos(built, mirror, net, photo, expected):
    card, model = card_of(net), built[net]
    networks.load(model, weights.read(mirror / card.weights[0].name), card.weights[0].name)
    pixels = decoder.decode((mirror / "images" / photo).read_bytes())
    image = Square(card.size, card.resize)(pixels)[None]
    card = dataclasses.replace(card, multi=(), cuts={}, layer=model.layers[-1].name)
    (probabilities,) = networks.with_pixels(model, card).predict(image, verbose=0)[None]
    index = json.loads((mirror / "imagenet_class_index.json").read_text())
    found = {index[str(i)][1]: p for i, p in enumerate(probabilities[0])}
    for name, probability in expected.items():
        assert found[name] == pytest.approx(probability, abs=0.01)


@pytest.mark.parametrize("net", ["resnet", "inception"])
def test_keras_files_of_the_mirror_fit(built, mirror, net):
    card = card_of(net)
    read = weights.read(mirror / card.weights[0].name)
    networks.load(built[net], read, card.weights[0].name)
    assert sum(v.size for values in read.values() for v in values) == card.parameters
    with pytest.raises(InputError, match=r"does not fit .*not in the file: .*not in the network"):
        networks.load(built["squeezenet"], read, card.weights[0].name)
