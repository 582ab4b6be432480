"""Cards: what is in the repository loads, and each fault of a card is told with its line."""

import dataclasses
from pathlib import Path

import pytest

from transfer.errors import InputError
from transfer.nets import cards
from transfer.nets.layers import check_length, chosen_layers

GOOD = """\
builder: mini
weights: {name: w.npy, url: "https://host/w.npy", licence: free}
size: 96
resize: bilinear
pixels: {order: RGB, mean: [0, 0, 0], divisor: 1}
layer: b:2
features: 8
multi: [a, "b:2"]
parameters: 10
"""


@pytest.fixture
def card(tmp_path):
    (tmp_path / "net.yaml").write_text(GOOD)
    return cards.load(tmp_path / "net.yaml")


@pytest.mark.parametrize("name", cards.known())
def test_shipped_cards_load_and_their_layers_parse(name):
    card = cards.load(cards.CARDS / f"{name}.yaml")
    assert len(chosen_layers(card, "card")) == 1
    assert len(chosen_layers(card, "multi")) == len(card.multi)
    text = (cards.CARDS / f"{name}.yaml").read_text()
    assert text.count("licence: ") >= len(card.weights)


def test_shipped_nets():
    assert cards.known() == [
        "alexnet",
        "alexnet_caffe",
        "googlenet",
        "inception",
        "inception_mixed8",
        "mini",
        "resnet",
        "squeezenet",
        "vgg",
        "vgg_relu6",
    ]


def test_unknown_net_lists_the_nearest_first():
    with pytest.raises(InputError, match=r"unknown net 'resnet50'; known: resnet, .*googlenet"):
        cards.load(Path("models/cards/resnet50.yaml"))


def test_fields(card):
    assert card.weights[0].urls == ("https://host/w.npy",)
    assert card.layers == ("a", "b")
    assert chosen_layers(card, "card") == (("b", 2),)
    assert chosen_layers(card, ["a:3", "b"]) == (("a", 3), ("b", 1))
    with pytest.raises(InputError, match="the card of net lists no layers for"):
        chosen_layers(dataclasses.replace(card, multi=()), "multi")


def test_a_file_that_comes_with_the_repository(tmp_path):
    path = tmp_path / "net.yaml"
    path.write_text(
        GOOD.replace('url: "https://host/w.npy"', f"path: models/w.npy, sha256: {'ab' * 32}")
    )
    card = cards.load(path)
    assert card.weights[0].path == "models/w.npy"
    assert cards.listed(card) == [], "there is nothing to mirror"


def test_files_that_are_alternatives(tmp_path):
    path = tmp_path / "net.yaml"
    text = GOOD.replace("{name: w.npy", "[{name: v.npy}, {name: w.npy").replace("free}", "free}]")
    path.write_text(text)
    card = cards.load(path)
    assert [file.name for file in card.weights] == ["v.npy", "w.npy"]


def test_the_network_with_its_own_classes(tmp_path, card):
    own = cards.load(cards.CARDS / "googlenet.yaml")
    found = cards.classifier(own)
    assert (found.layer, found.layers) == ("loss3_classifier", ("loss3_classifier",))
    assert (found.weights, found.parameters, found.include_top) == (own.weights, 6998552, False)
    resnet = cards.classifier(cards.load(cards.CARDS / "resnet.yaml"))
    assert resnet.weights[0].name == "resnet50_weights_tf_dim_ordering_tf_kernels.h5"
    assert (resnet.layer, resnet.parameters, resnet.include_top) == ("predictions", 25636712, True)
    with pytest.raises(InputError, match=r"net with classes of its own 'net'; known: .*resnet"):
        cards.classifier(card)


def test_unknown_layer_and_cells(card):
    with pytest.raises(InputError, match="unknown layer of net 'c'; known: a, b"):
        chosen_layers(card, ["c"])
    with pytest.raises(InputError, match="layer 'a:x': write name or name:cells, as a:3"):
        chosen_layers(card, ["a:x"])
    for odd in ("a:²", "a:0", "a:", "a:3:3", "a:" + "9" * 5000):
        with pytest.raises(InputError, match="write name or name:cells"):
            chosen_layers(card, [odd])


def test_length_must_be_what_the_layer_gives(card):
    check_length(card, {"a": 5, "b": 2})
    with pytest.raises(InputError, match="says features: 8 and layer b:2 gives 12"):
        check_length(card, {"a": 5, "b": 3})


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("size: 96", "size: big", r"line 3: size must be a whole number from 1; received 'big'"),
        ("size: 96", "sise: 96", r"line 3: unknown key 'sise'; known: size"),
        ("order: RGB", "order: GBR", r"pixels.order must be RGB or BGR; received 'GBR'"),
        ("[0, 0, 0]", "[0, 0]", r"pixels.mean must be three numbers"),
        ("divisor: 1", "divisor: 0", r"pixels.divisor must be a number above 0"),
        ("name: w.npy", "name: ../w.npy", r"needs the plain name of a file"),
        ("name: w.npy", "seed: 1", r"weights must hold nothing beside seed, a whole number"),
        ("layer: b:2\n", "", r"layer must be given"),
        ("builder: mini", "builder: [", r"is not valid YAML"),
        ("multi: [a", "multi: [1", r"multi must be a list of layers"),
        ("licence: free", "sha256: 12", r"sha256 must be text"),
        ("licence: free", "sha1: abc", r"sha1 needs 40 hexadecimal digits"),
        *(
            ("licence: free", f"path: {path}", r"path must be models/w.npy; received")
            for path in (
                "/w.npy",
                "//models/w.npy",
                "models/../w.npy",
                "models/weights/w.npy",
                "models",
            )
        ),
        ("licence: free", "path: models/w.npy", r"path can't stand beside url"),
        (
            'url: "https://host/w.npy", licence: free',
            "path: models/w.npy",
            r"path needs sha256 beside it, as `sha256sum models/w.npy` prints it",
        ),
        ("{name: w.npy", "{nam: w.npy", r"line 2: unknown key 'nam'"),
        ("layer: b:2", "crop: center\nlayer: b:2", r"line 6: crop must be one of none, centre"),
        ("layer: b:2", "include_top: 1\nlayer: b:2", r"include_top must be true or false"),
        ("layer: b:2", "classifier: {}\nlayer: b:2", r"classifier.layer must be given"),
        (
            "layer: b:2",
            "classifier: {layer: a, weights: {seed: 1}}\nlayer: b:2",
            r"line 6: classifier.weights must name a file",
        ),
        (
            '{name: w.npy, url: "https://host/w.npy", licence: free}',
            "{seed: 1}\nclassifier: {layer: a}",
            r"line 3: classifier needs the weights of a trained network",
        ),
    ],
)
def test_faults_are_told_with_their_place(tmp_path, old, new, sentence):
    path = tmp_path / "net.yaml"
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(InputError, match=sentence):
        cards.load(path)
