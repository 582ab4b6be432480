"""The converted network and extraction: same numbers as Keras, and no row depends on another."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
from keras import ops
from PIL import Image as Pillow

from tests.examples import extracted
from tests.imports import ROOT
from transfer.datasets import sources
from transfer.datasets.reading import decoder
from transfer.datasets.reading.images import Image, digest
from transfer.downloads import manifests
from transfer.errors import InputError
from transfer.features import announced, choices, engine, extraction, streams
from transfer.features.engine import BATCH, Engine
from transfer.features.recipe import recipe
from transfer.features.resizing import Square
from transfer.nets import cards, graphs, networks, weights
from transfer.nets.layers import chosen_layers

RNG = np.random.default_rng(0)
PHOTOS = [RNG.integers(0, 256, (40 + n, 60, 3), np.uint8) for n in range(BATCH + 3)]


def convert(card, folder):
    model = networks.build(card)
    networks.randomise(model, 0)
    with_pixels = networks.with_pixels(model, card)
    graphs.save(with_pixels, card.layers, {"net": card.name, "weights": {"seed": 0}}, folder)
    return with_pixels


@pytest.fixture(scope="module")
def mini():
    return cards.load(cards.CARDS / "mini.yaml")


@pytest.fixture(scope="module")
def backbone(mini, tmp_path_factory):
    folder = tmp_path_factory.mktemp("mini")
    return folder, convert(mini, folder)


def images(photos):
    return (Image(f"i{n}", f"m{n}", "a", "", "", photo) for n, photo in enumerate(photos))


def features_of(folder, layers=(("features", 1),), photos=PHOTOS, size=64, precision="f32"):
    compiled = Engine(graphs.open_pooled(folder, layers, size, BATCH), precision)
    members = [f"m{n}" for n in range(len(photos))]
    return extracted(images(photos), members, compiled, Square(size, "bilinear"))


def test_features_are_kerass(backbone, mini):
    folder, model = backbone
    squares = np.stack([Square(64, "bilinear")(photo) for photo in PHOTOS])
    unpooled = dict(zip(mini.layers, model(squares, training=False), strict=True))
    expected = ops.convert_to_numpy(unpooled["features"]).mean(axis=(1, 2))  # [N, D]
    np.testing.assert_allclose(features_of(folder), expected, rtol=1e-3, atol=1e-4)


def test_cells_are_means_of_parts_of_the_area_rows_first(backbone, mini):
    folder, model = backbone
    squares = np.stack([Square(64, "bilinear")(photo) for photo in PHOTOS])
    unpooled = dict(zip(mini.layers, model(squares, training=False), strict=True))
    block = ops.convert_to_numpy(unpooled["block2"])  # [N, 8, 8, 128]
    cells = block.reshape(len(PHOTOS), 2, 4, 2, 4, 128).mean(axis=(2, 4))  # [N, 2, 2, 128]
    both = features_of(folder, (("block2", 2), ("features", 1)))
    assert both.shape == (len(PHOTOS), 4 * 128 + 512)
    np.testing.assert_allclose(
        both[:, : 4 * 128], cells.reshape(len(PHOTOS), -1), rtol=1e-3, atol=1e-4
    )
    alone = features_of(folder)
    np.testing.assert_allclose(both[:, 4 * 128 :], alone, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("precision", ["f32", "bf16"])
def test_an_image_alone_and_in_a_batch_give_the_same_bits(backbone, precision):
    folder, _ = backbone
    together = features_of(folder, precision=precision)
    for n in (0, BATCH - 1, BATCH + 2):  # first, last of a full batch, in the padded one
        alone = features_of(folder, photos=[PHOTOS[n]], precision=precision)
        np.testing.assert_array_equal(alone[0], together[n])
    order = np.random.default_rng(1).permutation(len(PHOTOS))
    shuffled = features_of(folder, photos=[PHOTOS[n] for n in order], precision=precision)
    np.testing.assert_array_equal(shuffled, together[order])


@pytest.mark.parametrize(
    ("capabilities", "runs"), [(["FP32", "BF16"], "bf16"), (["FP32", "INT8"], "f32")]
)
def test_a_cpu_without_bf16_runs_f32(capabilities, runs):
    class Core:
        def get_property(self, device, name):
            return {("CPU", "OPTIMIZATION_CAPABILITIES"): capabilities}[device, name]

    assert engine.runs_in(Core(), "bf16") == runs
    assert engine.runs_in(Core(), "f32") == "f32"
    assert engine.runs_in(Core(), "int8") == ("int8" if runs == "bf16" else "int8+f32")


def test_whatever_the_number_of_workers(backbone, monkeypatch):
    folder, _ = backbone
    expected = features_of(folder)
    monkeypatch.setattr(streams.os, "cpu_count", lambda: 7)
    np.testing.assert_array_equal(features_of(folder), expected)


def test_an_unwanted_image_is_passed_over_and_order_is_that_of_members(backbone):
    folder, _ = backbone
    compiled = Engine(graphs.open_pooled(folder, (("features", 1),), 64, BATCH), "f32")
    got = extracted(images(PHOTOS), ["m5", "m2"], compiled, Square(64, "bilinear"))
    np.testing.assert_array_equal(got, features_of(folder)[[5, 2]])
    assert extracted(images(PHOTOS), [], compiled, Square(64, "bilinear")).shape == (
        0,
        512,
    )


def test_conversion_writes_the_same_bytes_again(tmp_path):
    # In processes of their own, as stages run: OpenVINO numbers its nodes on within one.
    manifests.write(tmp_path, "untrained", seed=0)
    for name in ("one", "two"):
        subprocess.run(
            f"{sys.executable} -m stages.backbone --card models/cards/mini.yaml "
            f"--weights {tmp_path} --backbone {tmp_path / name}",
            shell=True,
            check=True,
            cwd=ROOT,
        )
    for name in ("network.xml", "network.bin", "backbone.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    about = graphs.read_about(tmp_path / "one")
    assert about["layers"]["block2"] == 128
    assert about["layers"]["features"] == 512
    assert about["weights"] == {"origin": "untrained", "seed": 0}


def test_more_cells_than_the_layer_has(backbone):
    with pytest.raises(InputError, match=r"layer features of .* is 4 x 4 at 64 px, .* 5 x 5 cells"):
        graphs.open_pooled(backbone[0], (("features", 5),), 64, BATCH)


def test_unknown_layer_of_a_backbone(backbone):
    with pytest.raises(InputError, match=r"unknown layer .*'feature'; known: features"):
        graphs.open_pooled(backbone[0], (("feature", 1),), 64, BATCH)


def cosine(one, two):
    return (one * two).sum(1) / np.linalg.norm(one, axis=1) / np.linalg.norm(two, axis=1)


@pytest.mark.parametrize("net", ["squeezenet", "googlenet", "resnet", "inception_mixed8"])
def test_bf16_is_close_to_f32_with_real_weights(mirror, net, tmp_path):
    card = cards.load(cards.CARDS / f"{net}.yaml")
    model = networks.build(card)
    networks.load(model, weights.read(mirror / card.weights[0].name), card.weights[0].name)
    graphs.save(networks.with_pixels(model, card), card.layers, {}, tmp_path)
    photos = [decoder.decode(path.read_bytes()) for path in sorted((mirror / "images").iterdir())]
    layers = chosen_layers(card, "card")
    exact, fast = (features_of(tmp_path, layers, photos, card.size, p) for p in ("f32", "bf16"))
    assert cosine(exact, fast).min() >= 0.9998


def test_the_centre_square_is_taken_before_resizing():
    wide = np.zeros((4, 9, 3), np.uint8)
    wide[:, 2:6] = 200
    assert (Square(4, "bilinear", "centre")(wide) == 200).all()
    assert (Square(2, "nearest", "centre")(wide.transpose(1, 0, 2)) == 200).all()
    assert not (Square(4, "nearest")(wide) == 200).all()


def test_resize_known_answers():
    grey = np.full((9, 5, 3), 77, np.uint8)
    np.testing.assert_array_equal(Square(4, "bilinear")(grey), np.full((4, 4, 3), 77))
    step = np.zeros((2, 2, 3), np.uint8)
    step[:, 1] = 200
    # Pixel centres at .5: of four columns the outer two see one pixel, the inner two mix 3:1.
    np.testing.assert_array_equal(Square(4, "bilinear")(step)[0, :, 0], [0, 50, 150, 200])
    same = RNG.integers(0, 256, (8, 8, 3), np.uint8)
    np.testing.assert_array_equal(Square(8, "bilinear")(same), same)
    photo = Pillow.fromarray(PHOTOS[0])
    expected = np.asarray(photo.resize((32, 32), Pillow.Resampling.BILINEAR))
    np.testing.assert_array_equal(Square(32, "bilinear")(PHOTOS[0]), expected)


GIVEN = {
    "extract.layers": "auto",
    "extract.size": "auto",
    "extract.views": "auto",
    "extract.cut": None,
    "extract.precision": "f32",
    "extract.engine": "auto",
}


def choose(card, recommend=None, flip=False, **given):
    given = {f"extract.{key}": value for key, value in given.items()}
    source = sources.Source("mine", "own", flip=flip, recommend=recommend or {})
    return choices.choose(card, source, GIVEN | given)


def test_choices(mini):
    plain = choose(mini)
    assert plain == choices.Choice(chosen_layers(mini, "card"), 96, ("plain",), "f32", "openvino")
    advice = {"any": {"size": 64}, "mini": {"layers": ["block4"], "size": 80}}
    assert choose(mini, advice).size == 80
    assert choose(mini, advice).layers == (("block4", 1),)
    assert choose(dataclasses.replace(mini, name="other"), advice).size == 64
    assert choose(mini, advice, layers="card", size="card") == plain
    given = choose(mini, advice, layers="multi", size=48)
    assert (len(given.layers), given.size) == (len(mini.multi), 48)


def test_choices_that_are_not_there(mini):
    with pytest.raises(InputError, match="unknown view 'fliped'; known: flipped, contrast, plain"):
        choose(mini, views=["fliped"])
    with pytest.raises(InputError, match="must name at least one view"):
        choose(mini, {"any": {"views": []}})
    with pytest.raises(InputError, match="unknown layer of mini 'blok2'; known: block2"):
        choose(mini, layers=["blok2"])
    with pytest.raises(InputError, match="unknown resize kernel in the card of mini 'billinear'"):
        choose(dataclasses.replace(mini, resize="billinear"))


def test_backbones_that_are_not_there_and_sizes_that_are_too_small(tmp_path):
    with pytest.raises(InputError, match=r"network.xml is not here or damaged; run `dvc repro"):
        graphs.open_pooled(tmp_path, (("fire9", 1),), 64, BATCH)
    with pytest.raises(InputError, match=r"backbone.json is not here or damaged"):
        graphs.read_about(tmp_path)
    for damaged in ("{", "[]", "{}", '{"weights": null}', '{"weights": {}, "graph": "x"}'):
        (tmp_path / "backbone.json").write_text(damaged)
        with pytest.raises(InputError, match=r"backbone.json is not here or damaged"):
            graphs.read_about(tmp_path)
    card = cards.load(cards.CARDS / "squeezenet.yaml")  # VALID pools: nothing is left of 16 px
    convert(card, tmp_path)
    with pytest.raises(InputError, match="can't take images of 16 px; choose a larger extract"):
        graphs.open_pooled(tmp_path, (("fire9", 1),), 16, BATCH)


def test_an_image_that_changed_since_it_was_indexed_is_named(backbone):
    compiled = Engine(graphs.open_pooled(backbone[0], (("features", 1),), 64, BATCH), "f32")
    broken = Image("i0", "cats/a.jpg", "cats", "", "", b"no longer a JPEG")
    with pytest.raises(InputError, match=r"cats/a.jpg could be read when it was indexed and now"):
        extracted(iter([broken]), ["cats/a.jpg"], compiled, Square(64, "bilinear"))


def test_an_image_with_other_bytes_than_were_indexed_is_refused(backbone):
    compiled = Engine(graphs.open_pooled(backbone[0], (("features", 1),), 64, BATCH), "f32")
    digests = np.array([bytes.fromhex(digest(photo)) for photo in images(PHOTOS)], "V32")
    square = Square(64, "bilinear")
    placed = [(place, [0], image) for place, image in enumerate(images(PHOTOS))]
    found = list(extraction.computed(placed, lambda: compiled, square, digests=digests))
    np.testing.assert_array_equal(
        np.concatenate([block for _, block in found]), features_of(backbone[0])
    )
    swapped = digests[[0, 1, 2, 4, *range(4, len(digests))]]
    with pytest.raises(InputError, match="m3 is not the image that was indexed: the index has"):
        list(extraction.computed(placed, lambda: compiled, square, digests=swapped))


def test_an_image_is_decoded_once_for_all_views_that_it_lacks(backbone, monkeypatch):
    compiled = Engine(graphs.open_pooled(backbone[0], (("features", 1),), 64, BATCH), "f32")
    decoded, pixels = [], extraction.images_.pixels
    names, square = ["contrast", "plain", "flipped"], Square(64, "bilinear")
    members = [f"m{n}" for n in range(len(PHOTOS))]
    alone = [extracted(images(PHOTOS), members, compiled, square, name) for name in names]

    def counted(image, least):
        decoded.append(image.member)
        return pixels(image, least)

    monkeypatch.setattr(extraction.images_, "pixels", counted)
    asked = [[0, 1, 2], [1], [0, 2], [2, 0, 1]]
    photos = zip(range(4), asked, images(PHOTOS[:4]), strict=True)
    found = list(extraction.computed(photos, lambda: compiled, square, names))
    assert sorted(decoded) == members[:4]  # by threads, in any order
    assert [key for keys, _ in found for key in keys] == [
        (view, place) for place, views in enumerate(asked) for view in views
    ]
    for keys, features in found:
        for (view, place), feature in zip(keys, features, strict=True):
            np.testing.assert_array_equal(feature, alone[view][place])


def test_without_an_image_no_engine_is_opened():
    assert list(extraction.computed(iter(()), None, Square(64, "bilinear"))) == []


def test_an_engine_is_what_was_announced(backbone, mini):
    folder, choice = backbone[0], choose(mini)
    opened = []

    def open_engine():
        graph = graphs.open_pooled(folder, choice.layers, choice.size, BATCH)
        opened.append(Engine(graph, choice.precision))
        return opened[-1]

    said, engine = announced.announce(choice, open_engine)
    about = graphs.read_about(folder)
    made = recipe(mini, about, said, choice)
    assert opened == []
    assert engine() is engine() is opened[0]
    assert recipe(mini, about, engine(), choice) == made
    opened[0].precision = "bf16"
    with pytest.raises(InputError, match=r"choose extract.precision: bf16"):
        engine()


def test_the_recipe_says_what_decides_a_feature(backbone, mini):
    folder, _ = backbone
    choice = choose(mini)
    graph = graphs.open_pooled(folder, choice.layers, choice.size, BATCH)
    about = graphs.read_about(folder)
    found = recipe(mini, about, Engine(graph, "f32"), choice)
    assert found["layers"] == [mini.layer]
    assert (found["graph"], found["weights"]) == (about["graph"], "seed 0")
    renamed = dataclasses.replace(mini, name="other")
    assert recipe(renamed, about | {"net": "other"}, Engine(graph, "f32"), choice) == found
    assert (found["size"], found["batch"], found["precision"]) == (96, BATCH, "f32")
    assert found["versions"]["decoder"] == decoder.VERSION
    assert "openvino" in found["versions"]
