"""Cards: what is in the repository loads, and each fault of a card is told with its line."""

import dataclasses
from pathlib import Path

import pytest

from transfer.errors import InputError
from transfer.nets import cards

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
    assert len(cards.chosen_layers(card, "card")) == 1
    assert len(cards.chosen_layers(card, "multi")) == len(card.multi)
    assert card.weights is None or card.licence


def test_shipped_nets():
    assert cards.known() == [
        "googlenet",
        "inception",
        "inception_mixed8",
        "mini",
        "resnet",
        "squeezenet",
    ]


def test_unknown_net_lists_the_nearest_first():
    with pytest.raises(InputError, match=r"unknown net 'resnet50'; known: resnet, .*googlenet"):
        cards.load(Path("models/cards/resnet50.yaml"))


def test_fields(card):
    assert card.weights.url == "https://host/w.npy"
    assert card.layers == ("a", "b")
    assert cards.chosen_layers(card, "card") == (("b", 2),)
    assert cards.chosen_layers(card, ["a:3", "b"]) == (("a", 3), ("b", 1))
    with pytest.raises(InputError, match="the card of net lists no layers for"):
        cards.chosen_layers(dataclasses.replace(card, multi=()), "multi")


def test_unknown_layer_and_cells(card):
    with pytest.raises(InputError, match="unknown layer of net 'c'; known: a, b"):
        cards.chosen_layers(card, ["c"])
    with pytest.raises(InputError, match="layer 'a:x': write name or name:cells, as a:3"):
        cards.chosen_layers(card, ["a:x"])


def test_length_must_be_what_the_layer_gives(card):
    cards.check_length(card, {"a": 5, "b": 2})
    with pytest.raises(InputError, match="says features: 8 and layer b:2 gives 12"):
        cards.check_length(card, {"a": 5, "b": 3})


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("size: 96", "size: big", r"line 3: size must be a whole number from 1; received 'big'"),
        ("size: 96", "sise: 96", r"line 3: unknown key 'sise'; known: size"),
        ("order: RGB", "order: GBR", r"pixels.order must be RGB or BGR; received 'GBR'"),
        ("[0, 0, 0]", "[0, 0]", r"pixels.mean must be three numbers"),
        ("divisor: 1", "divisor: 0", r"pixels.divisor must be a number above 0"),
        ("name: w.npy", "name: ../w.npy", r"needs the plain name of a file"),
        ("name: w.npy", "seed: 1", r"weights must be a file's name, address and hash, or {seed"),
        ("layer: b:2\n", "", r"layer must be given"),
        ("builder: mini", "builder: [", r"is not valid YAML"),
        ("multi: [a", "multi: [1", r"multi must be a list of layers"),
        ("licence: free", "sha256: 12", r"sha256 must be text"),
    ],
)
def test_faults_are_told_with_their_place(tmp_path, old, new, sentence):
    path = tmp_path / "net.yaml"
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(InputError, match=sentence):
        cards.load(path)
