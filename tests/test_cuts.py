"""Cuts: where a network is divided, and the activations there, of augmented views too."""

import json
import re
from types import SimpleNamespace

import numpy as np
import pytest

from stages import extract
from tests.extracting import PARTS, N, Run
from tests.imports import ROOT
from tests.test_extraction_store import made  # noqa: F401, a fixture
from tests.test_features import GIVEN, convert
from transfer.datasets import sources
from transfer.errors import InputError
from transfer.features import augmentation, choices, fresh, rules, views
from transfer.features.engine import BATCH, Engine
from transfer.features.store import keys, store, upkeep
from transfer.nets import cards, graphs, networks
from transfer.nets.layers import WHOLE
from transfer.packs import activations, reader, squares

RNG = np.random.default_rng(5)
PHOTO = RNG.integers(0, 256, (48, 48, 3), np.uint8)
CUT = [name for name in cards.known(ROOT / cards.CARDS)
       if cards.load(ROOT / cards.CARDS / f"{name}.yaml").cuts]  # fmt: skip


def card_of(net):
    return cards.load(ROOT / cards.CARDS / f"{net}.yaml")


# Cards


@pytest.mark.parametrize("net", CUT)
def test_a_card_tells_the_shape_at_its_cuts_and_layers_behind_them(net):
    card = card_of(net)
    model = networks.build(card)
    image = networks.keras.Input((card.size, card.size, 3))
    names = [layer.name for layer in model.layers]
    for layer, cut in card.cuts.items():
        at = networks.keras.Model(model.input, model.get_layer(layer).output)(image)
        assert tuple(at.shape[1:]) == cut.shape
        assert names.index(layer) < names.index(cut.upto)
        told = re.search(rf"{layer}: .*# (\d+) kB an image", (
            ROOT / cards.CARDS / f"{net}.yaml").read_text())  # fmt: skip
        assert int(told[1]) == round(cut.size / 1000)


@pytest.mark.parametrize(
    ("cuts", "fault"),
    [
        ("{block1: {shape: [24, 24], upto: features}}", r"must be \[h, w, c\] of the layer"),
        ("{block1: {shape: [24, 24, 0], upto: features}}", r"must be \[h, w, c\] of the layer"),
        ("{block1: {shape: [24, 24, 64]}}", "upto"),
        ("{block1: {shape: [24, 24, 64], upto: features, more: 1}}", "more"),
        ("{block1: [24, 24, 64]}", "block1"),
        ("[block1]", "cuts"),
    ],
)
def test_a_card_with_faulty_cuts(tmp_path, cuts, fault):
    text = (ROOT / cards.CARDS / "mini.yaml").read_text(encoding="utf-8")
    start = text.index("cuts:")
    end = text.index("parameters:")
    (tmp_path / "mini.yaml").write_text(f"{text[:start]}cuts: {cuts}\n{text[end:]}")
    with pytest.raises(InputError, match=fault):
        cards.load(tmp_path / "mini.yaml")


# Choices


def chosen(net="mini", recommend=None, flip=False, **given):
    source = sources.Source("mine", "own", flip=flip, recommend=recommend or {})
    asked = GIVEN | {"extract.augmented": 2}
    asked |= {f"extract.{key}": value for key, value in given.items()}
    choice = choices.choose(card_of(net), source, asked)
    return choices.choose_cut(card_of(net), source, asked, choice)


def test_a_cut_is_chosen():
    assert chosen() is None
    found = chosen(cut="auto")
    assert found.layers == (("block1", WHOLE),)
    assert (found.views, found.flip) == (("plain", "plain+1", "plain+2"), False)
    advised = {"mini": {"size": 96, "tuned": {"cut": "block3", "size": 48}}}
    found = chosen(cut="auto", recommend=advised)
    assert (found.layers[0][0], found.size) == ("block3", 48)
    found = chosen(cut="block2", size=64, recommend=advised)
    assert (found.layers[0][0], found.size) == ("block2", 64)
    source = sources.Source("mine", "own", recommend=advised)
    assert choices.choose(card_of("mini"), source, GIVEN | {"extract.size": "auto"}).size == 96
    assert chosen(cut="auto", augmented=0).views == ("plain",)
    turned = chosen(cut="auto", flip=True, views=["flipped", "contrast"], augmented=1)
    assert (turned.views, turned.flip) == (("flipped", "contrast", "contrast+1"), True)
    both = chosen(cut="auto", views=["plain", "contrast"], augmented=2).views
    assert both == ("plain", "contrast", "plain+1", "plain+2", "contrast+1", "contrast+2")


def test_a_cut_that_is_not_there():
    with pytest.raises(InputError, match="unknown cut of mini 'blok1'; known: block1"):
        chosen(cut="blok1")
    with pytest.raises(InputError, match="unknown cut of mini 'gone'"):
        chosen(cut="auto", recommend={"mini": {"tuned": {"cut": "gone"}}})
    with pytest.raises(InputError, match=r"unknown view 'up'.*\(recommend.mini.tuned.views in "):
        chosen(cut="auto", views="auto", recommend={"mini": {"tuned": {"views": ["up"]}}})
    with pytest.raises(
        InputError, match="alexnet can't be fine-tuned: its card lists no cut; these do: "
    ):
        chosen("alexnet", cut="auto")


# Augmented views


def test_an_augmented_view_is_decided_by_image_and_number(monkeypatch):
    look = views.looking("plain+3")
    one = look(PHOTO, bytes(range(32)))
    assert (one.shape, one.dtype) == (PHOTO.shape, np.uint8)
    np.testing.assert_array_equal(one, look(PHOTO.copy(), bytes(range(32))))
    assert not np.array_equal(one, look(PHOTO, bytes(32)))
    assert not np.array_equal(one, views.looking("plain+4")(PHOTO, bytes(range(32))))
    of_contrast = views.looking("contrast+3")(PHOTO, bytes(range(32)))
    np.testing.assert_array_equal(of_contrast, look(views.contrast(PHOTO), bytes(range(32))))
    np.testing.assert_array_equal(views.looking("plain")(PHOTO, None), PHOTO)
    monkeypatch.setattr(augmentation, "AUGMENTED", dict.fromkeys(rules.AUGMENTED, 0.0))
    np.testing.assert_array_equal(look(PHOTO, bytes(32)), PHOTO)


def test_views_are_mirrored_where_they_may_be_alone(monkeypatch):
    seen = []
    warped = augmentation._warped

    def noted(pixels, matrix, shift):
        seen.append(np.linalg.det(matrix) < 0)
        return warped(pixels, matrix, shift)

    monkeypatch.setattr(augmentation, "_warped", noted)
    for seed in range(100):
        augmentation.augmented(PHOTO, [seed], False)
    assert not any(seen)
    seen.clear()
    for seed in range(100):
        augmentation.augmented(PHOTO, [seed], True)
    assert 30 < sum(seen) < 70


def test_no_sample_reaches_beyond_the_margin():
    """The corners of a view lie at most so far outside of the image as it is mirrored around."""
    limits, most = rules.AUGMENTED, 0
    corners = np.array([[x, y] for x in (-1, 1) for y in (-1, 1)])
    for seed in range(2000):
        rng = np.random.default_rng(seed)
        drawn = {name: rng.choice([-limit, limit]) for name, limit in limits.items()}
        moved = corners @ augmentation._matrix(drawn).T + rng.choice([-1, 1], 2) * limits["shift"]
        most = max(most, np.abs(moved).max() - 1)
    assert most / 2 < augmentation._MARGIN


def test_what_limits_an_augmented_view_is_in_its_recipe():
    found = rules.of(("contrast", "contrast+1", "plain+1", "plain"), flip=True)
    assert set(found) == {"contrast", "contrast+1", "plain+1"}
    assert found["plain+1"] == {"augmented": rules.AUGMENTED, "mirrored": True}
    assert found["contrast+1"]["sd"] == found["contrast"]["sd"]
    recipe = {"layers": ["a"], "views": ["plain", "plain+1"], "rules": found}
    assert keys.of_recipe(recipe, "plain+1") != keys.of_recipe(
        recipe | {"rules": rules.of(("plain+1",))}, "plain+1"
    )


# The store


def test_the_store_keeps_what_the_recipe_says(tmp_path):
    key = keys.of_recipe({"dtype": "float16", "views": ["plain"], "layers": ["a"]}, "plain")
    values = RNG.normal(size=(3, 40)).astype(np.float16)
    images = [bytes([i]) * 32 for i in range(3)]
    with store.opened(tmp_path) as kept:
        assert kept.write(key, images, values)
        out = np.zeros((3, 40), np.float16)
        assert kept.read(key, images, out).all()
        np.testing.assert_array_equal(out, values)
    (line,) = [line for line in upkeep.answer("stat", tmp_path) if "images" in line]
    assert "3 images, D = 40, 240 B" in line
    assert upkeep.answer("verify", tmp_path)[0].startswith("3 features are sound, 0 were damaged")


# What the network gives there


def test_a_layer_that_is_not_pooled(tmp_path):
    card = card_of("mini")
    convert(card, tmp_path)
    images = RNG.integers(0, 256, (3, 64, 64, 3), np.uint8)
    graph = graphs.open_pooled(tmp_path, [("block2", WHOLE)], 64, BATCH)
    engine = Engine(graph, "f32")
    batch = np.zeros((BATCH, 64, 64, 3), np.uint8)
    batch[:3] = images
    ((_, found),) = engine.stream([(range(3), batch)])
    assert (found.dtype, found.shape, engine.length) == (np.float16, (3, 8 * 8 * 128), 8 * 8 * 128)
    model = networks.build(card)
    networks.randomise(model, 0)
    whole = networks.keras.Model(model.input, model.get_layer("block2").output)
    expected = whole((images.astype(np.float32) - 127.5) / 63.75).numpy()
    np.testing.assert_allclose(found.reshape(expected.shape), expected, rtol=2e-3, atol=2e-3)
    pooled = graphs.open_pooled(tmp_path, [("block2", 1)], 64, BATCH)
    ((_, means),) = Engine(pooled, "f32").stream([(range(3), batch)])
    np.testing.assert_allclose(
        found.reshape(3, 64, 128).astype(np.float32).mean(axis=1), means, rtol=2e-3, atol=2e-3
    )


# Folders


ABOUT = {"layers": ["a"], "source": {"net": "n"}}


def blocks(values):
    return (values[i : i + 2].reshape(len(values[i : i + 2]), -1) for i in range(0, len(values), 2))


@pytest.fixture
def folder(tmp_path):
    values = RNG.normal(size=(2, 5, 3, 3, 4)).astype(np.float16)
    place = tmp_path / "cut"
    given = {"plain": blocks(values[0]), "plain+1": blocks(values[1])}
    activations.write(place, ABOUT, (5, 3, 3, 4), given)
    return place, values


def test_activations_are_read_as_they_were_written(folder):
    place, values = folder
    found = activations.read(place)
    assert found.recipe == ABOUT | {"views": ["plain", "plain+1"]}
    for array, expected in zip(found.arrays, values, strict=True):
        assert isinstance(array, np.memmap)
        np.testing.assert_array_equal(array, expected)
    labels = np.arange(5)
    pack = reader.Pack(np.zeros((5, 2), np.float32), labels, None, None, ["x"], {"other": 1})
    at_cut = activations.pack_of(pack, found)
    assert at_cut.recipe == found.recipe
    np.testing.assert_array_equal(at_cut.views[1], values[1].reshape(5, -1))
    assert at_cut.labels is labels
    with pytest.raises(InputError, match="activations of 5 images and features of 4"):
        activations.pack_of(reader.Pack(None, labels[:4], None, None, None, None), found)


def test_activations_of_no_image(tmp_path):
    activations.write(tmp_path / "cut", ABOUT, (0, 3, 3, 4), {"plain": iter(())})
    found = activations.read(tmp_path / "cut")
    assert found.arrays[0].shape == (0, 3, 3, 4)
    pack = reader.Pack(np.zeros((0, 2), np.float32), np.zeros(0, int), None, None, ["x"], {})
    assert activations.pack_of(pack, found).features.shape == (0, 36)


def test_nothing_is_cut(folder):
    place, _ = folder
    activations.write_nothing(place)
    assert [path.name for path in place.iterdir()] == [activations.NOTHING]
    with pytest.raises(InputError, match=r"extract.cut is empty; set extract.cut: auto"):
        activations.read(place)


def test_damaged_activations_are_told(folder):
    place, _ = folder
    with pytest.raises(InputError, match="expected 5 rows of activations; received 4"):
        activations.write(place / "x", ABOUT, (5, 1, 1, 1), {"plain": [np.zeros((4, 1))]})
    data = (place / "plain.npy").read_bytes()
    for damaged in (data[:-1], data + b"0", b"", data[:20], data.replace(b"<f2", b"<f4")):
        (place / "plain.npy").write_bytes(damaged)
        with pytest.raises(InputError, match=r"or damaged ones .*run `dvc repro -f -s extract`"):
            activations.read(place)
    (place / "plain.npy").unlink()
    with pytest.raises(InputError, match="or damaged ones"):
        activations.read(place)
    for text in ("{", "[]", "{}", '{"recipe": {}}'):
        (place / activations.ABOUT).write_text(text)
        with pytest.raises(InputError, match="or damaged ones"):
            activations.read(place)


# The stage


def params(folder, **changes):
    text = (ROOT / "params.yaml").read_text()
    for key, value in changes.items():
        text = re.sub(rf"^(  {key}:).*$", rf"\1 {value}", text, flags=re.MULTILINE)
    (folder / "params.yaml").write_text(text)


def test_extract_writes_activations_and_a_further_view_costs_that_view(made):  # noqa: F811
    params(made, cut="block3", augmented=1, size=32)
    out, err = Run(made, "cut", made / "cutstore").process.communicate()
    assert err == ""
    training = sum(",train," in line for line in (made / "index.csv").read_text().splitlines())
    said = f"of {N + training:,} views (plain, plain+1) of pictures 0 came from the store"
    assert said in out
    read = {part: activations.read(made / f"cut/{part}_cut") for part in PARTS}
    assert [found.recipe["views"] for found in read.values()] == [
        ["plain", "plain+1"], ["plain"], ["plain"]
    ]  # fmt: skip
    assert "rules" not in read["test"].recipe
    assert set(read["train"].recipe["rules"]) == {"plain+1"}
    for part, found in read.items():
        pack = reader.read(made / f"cut/{part}.p")
        assert found.arrays[0].shape == (len(pack.labels), 2, 2, 160)
        assert "dtype" not in pack.recipe
    params(made, cut="block3", augmented=2, size=32)
    out, _ = Run(made, "cut2", made / "cutstore").process.communicate()
    assert f"{N + training:,} came from the store, {training:,} were computed" in out
    again = activations.read(made / "cut2/train_cut")
    for one, other in zip(read["train"].arrays, again.arrays, strict=False):
        np.testing.assert_array_equal(one, other)
    assert not np.array_equal(again.arrays[1], again.arrays[2])
    first = [(made / f"cut2/{part}.p").read_bytes() for part in PARTS]
    params(made, size=32)
    out, _ = Run(made, "cut2", made / "cutstore").process.communicate()
    assert first == [(made / f"cut2/{part}.p").read_bytes() for part in PARTS]
    for part in PARTS:
        (only,) = (made / f"cut2/{part}_cut").iterdir()
        assert only.name == activations.NOTHING
    about = json.loads((made / "cut/train_cut/about.json").read_text())
    assert about["recipe"]["dtype"] == "float16"


def test_fresh_views_are_those_that_would_have_been_kept(made):  # noqa: F811
    params(made, cut="block3", augmented=2, size=32)
    Run(made, "kept", made / "cutstore").end()
    params(made, cut="block3", augmented="fresh", size=32)
    Run(made, "fresh", made / "cutstore").end()
    kept = activations.read(made / "kept/train_cut").arrays
    (plain,) = activations.read(made / "fresh/train_cut").arrays
    np.testing.assert_array_equal(plain, kept[0])
    found = squares.read(made / "fresh/train_cut")
    assert found.pixels.shape == (len(plain), 32, 32, 3)
    assert [squares.read(made / f"fresh/{part}_cut") for part in PARTS[1:]] == [None, None]
    assert squares.read(made / "kept/train_cut") is None
    folders = made / "backbones/mini", made / "weights/mini"
    drawing = fresh.Fresh(found, card_of("mini"), *folders)
    assert drawing.views == 1
    assert drawing.decided_by == rules.of(["plain+1"])
    rows = RNG.permutation(len(plain))
    wanted = [rows[:7], rows[7:50], rows[50:51], rows[51:]]
    for number in (1, 2):
        batches = list(drawing.stream(number, ((some, some * 0) for some in wanted)))
        assert [len(batch) for batch in batches] == [len(some) for some in wanted]
        expected = kept[number][rows].reshape(len(rows), -1)
        np.testing.assert_array_equal(np.concatenate(batches), expected)


def test_squares_are_of_rows_not_of_pictures(tmp_path):
    contents = RNG.integers(0, 256, (3, 32), np.uint8).view("V32").reshape(-1)
    shown = RNG.integers(0, 256, (3, 4, 4, 3), np.uint8)
    places = np.array([2, 0, 2, 0, 1])
    squares.write(tmp_path, {"size": 4}, 4, contents, places, ((i, shown[i]) for i in (1, 2, 0)))
    found = squares.read(tmp_path)
    assert found.front == {"size": 4}
    np.testing.assert_array_equal(found.pixels, shown[places])
    assert [row.tobytes() for row in found.contents] == [contents[i].tobytes() for i in places]
    for name in (squares.PIXELS, squares.CONTENTS, squares.ABOUT):
        whole = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(whole[:-3])
        with pytest.raises(InputError, match=r"damaged squares .*; run `dvc repro -f -s extract`"):
            squares.read(tmp_path)
        (tmp_path / name).write_bytes(whole)


def test_much_disk_is_told_before_it_is_taken(tmp_path, capsys):
    """1,400 images as they are and 4,000 augmented views, 627 kB each at 299 pixels."""
    parts = [SimpleNamespace(places=range(count)) for count in (1000, 200, 200)]
    views = ("plain", "plain+1", "plain+2", "plain+3", "plain+4")
    choice = choices.Choice((("mixed0", WHOLE),), 299, views, "bf16", "openvino")
    net = card_of("inception_mixed8")
    extract._tell_size(net, choice, parts, tmp_path / "cut")
    out = capsys.readouterr().out
    assert "the activations at mixed0 take about 3.4 GB, and as much in the feature store; " in out
    small = choices.Choice(choice.layers, 107, views, "bf16", "openvino")
    extract._tell_size(net, small, parts, tmp_path / "cut")
    assert capsys.readouterr().out == ""
