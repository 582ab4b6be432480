"""`python -m transfer predict`: the trained head on pictures, as its own recipe says."""

import contextlib
import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from tests.examples import extracted
from tests.imports import ROOT
from transfer.datasets.reading.images import Image
from transfer.errors import InputError
from transfer.features import rules
from transfer.features.choices import Choice
from transfer.features.engine import BATCH, Engine
from transfer.features.recipe import recipe
from transfer.features.resizing import Square
from transfer.heads import kinds, trained
from transfer.nets import cards, graphs, networks
from transfer.serving import agreement, answers, classifier, listing, photos

CLASSES = ["blue", "green", "red"]
N = BATCH + 3  # more than one batch, the last one not full
SIZE = 64
RNG = np.random.default_rng(0)
PICTURES = [RNG.integers(0, 256, (40 + n, 60, 3), np.uint8) for n in range(N)]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """A folder as after `dvc repro`: a head at models/head.npz, its backbone, and pictures."""
    folder = tmp_path_factory.mktemp("workspace")
    card = cards.load(cards.CARDS / "mini.yaml")
    backbone = folder / "models/backbones/mini"
    backbone.mkdir(parents=True)
    model = networks.build(card)
    networks.randomise(model, 0)
    about = {"net": "mini", "weights": {"origin": "untrained", "seed": 0}}
    graphs.save(networks.with_pixels(model, card), card.layers, about, backbone)

    choice = Choice((("block2", 4),), SIZE, ("plain",), "bf16", "openvino")
    engine = Engine(graphs.open_pooled(backbone, choice.layers, SIZE, BATCH), "bf16")
    made = recipe(card, graphs.read_about(backbone), engine, choice)
    made["source"] = {"net": "mini", "dataset": "colours", "weights": "untrained"}
    images = (Image(f"i{n}", f"m{n}", "a", "", "", pixels) for n, pixels in enumerate(PICTURES))
    members = [f"m{n}" for n in range(N)]
    features = extracted(images, members, engine, Square(SIZE, "bilinear"))
    options = {"epochs": 20, "batch_size": 8, "seed": 0}
    arrays, *_ = kinds.fit("softmax", (features,), np.arange(N) % 3, 3, options)
    head = trained.Head("softmax", arrays, CLASSES, "mini", "colours", made, {}, options)
    head.save(folder / "models/head.npz")
    np.save(folder / "expected.npy", head.probabilities((features,)))

    shutil.copytree(ROOT / cards.CARDS, folder / cards.CARDS)
    for n, pixels in enumerate(PICTURES):
        path = folder / "pictures" / f"{n}.png"
        path.parent.mkdir(exist_ok=True)
        Pillow.fromarray(pixels).save(path)
    return folder


@pytest.fixture
def here(workspace, monkeypatch):
    monkeypatch.chdir(workspace)
    return workspace


def command(folder, *words, **more):
    """The process of `python -m transfer predict`, as a user in `folder` starts it."""
    return subprocess.Popen(
        [sys.executable, "-m", "transfer", "predict", *map(str, words)],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **more,
    )


def run(folder, *words):
    process = command(folder, *words)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def answered(names, top=5, batch=BATCH):
    model = classifier.load(batch=batch)
    found, _ = photos.find([str(name) for name in names])
    return list(answers.stream(model, found, top))


def test_the_probabilities_are_those_of_evaluate(here):
    expected = np.load("expected.npy")  # [N, C], by extraction and the head
    squares = np.stack([Square(SIZE, "bilinear")(pixels) for pixels in PICTURES])
    model = classifier.load()
    assert [about["label"] for about in model.classes] == CLASSES
    np.testing.assert_array_equal(model.probabilities(squares), expected)
    for answer, row in zip(answered(["pictures"]), expected, strict=True):
        given = {one["label"]: one["probability"] for one in answer.predictions}
        np.testing.assert_allclose([given[name] for name in CLASSES], row, atol=1e-3)
        assert list(given.values()) == sorted(given.values(), reverse=True)
    assert model.probabilities(squares[:0]).shape == (0, 3)
    for wrong in (squares / 255, squares[:, 1:], squares[0]):
        with pytest.raises(
            InputError, match=r"takes uint8 \[N, 64, 64, 3\]; received (fl|uint8 \[)"
        ):
            model.probabilities(wrong)


SEVERAL = ["flipped", "contrast", "plain"]


def test_several_views_are_averaged_as_by_evaluate(here, tmp_path):
    backbone = here / "models/backbones/mini"
    engine = Engine(graphs.open_pooled(backbone, (("block2", 4),), SIZE, BATCH), "bf16")
    images = [Image(f"i{n}", f"m{n}", "a", "", "", pixels) for n, pixels in enumerate(PICTURES)]
    members, square = [f"m{n}" for n in range(N)], Square(SIZE, "bilinear")
    rows = tuple(extracted(images, members, engine, square, view) for view in SEVERAL)
    path = changed(here, tmp_path, views=SEVERAL, rules=rules.of(SEVERAL))
    head = trained.load(path)
    expected = head.probabilities(rows)
    assert np.abs(expected - np.load("expected.npy")).max() > 0.01
    squares = np.stack([square(pixels) for pixels in PICTURES])
    found = classifier.load(path).probabilities(squares)  # batches that end between two views
    # The features are the same bits; a product of another number of rows may end in others.
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    alone = classifier.load(path, batch=1).probabilities(squares[:2])
    np.testing.assert_allclose(alone, expected[:2], atol=5e-3)
    given, _ = photos.find(["pictures/3.png", "no.png", "pictures/4.png"])
    third, lost, fourth = answers.stream(classifier.load(path), given, 1)
    assert lost.problem
    for answer, row in ((third, expected[3]), (fourth, expected[4])):
        assert answer.predictions[0]["label"] == CLASSES[row.argmax()]


def test_a_single_picture_has_a_batch_of_its_own(here):
    (alone,) = answered(["pictures/5.png"], batch=1)
    given = {one["label"]: one["probability"] for one in alone.predictions}
    row = np.load("expected.npy")[5]
    np.testing.assert_allclose([given[name] for name in CLASSES], row, atol=5e-3)


def test_answers_come_in_the_order_given_problems_among_them(here, tmp_path):
    (text := tmp_path / "text.png").write_text("hello")
    (empty := tmp_path / "empty.jpg").touch()
    (cut := tmp_path / "cut.png").write_bytes(Path("pictures/0.png").read_bytes()[:-900])
    names = [text, "pictures/10.png", empty, "pictures/2.png", cut, tmp_path / "no.png"]
    first, second, *rest = answered(names, top=2)
    assert [Path(a.image).name for a in (first, second, *rest)] == [Path(n).name for n in names]
    assert first.problem == (
        "can't be read as a picture: not a JPEG, PNG, BMP, GIF, WebP, PPM or TIFF image"
    )
    assert (len(second.predictions), second.problem) == (2, "")
    assert [bool(answer.predictions) for answer in rest] == [False, True, False, False]
    assert rest[0].problem == "can't be read as a picture: the file is empty"
    assert rest[2].problem.startswith("can't be read as a picture: can't be decoded: ")
    assert rest[3].problem == "there is no such file or folder; correct the path"


def test_pictures_of_any_kind_are_read_by_the_rules_of_extraction(here, tmp_path):
    Pillow.fromarray(RNG.integers(0, 256, (50, 60, 4), np.uint8), "CMYK").save(tmp_path / "a.jpg")
    Pillow.fromarray(PICTURES[3]).save(tmp_path / "picture without extension", "PNG")
    shown = list(photos.squares(photos.find([str(tmp_path / "a.jpg")])[0], Square(8, "nearest")))
    assert shown[0][1].shape == (8, 8, 3)
    (one,) = answered([tmp_path / "picture without extension"])
    (other,) = answered(["pictures/3.png"])
    assert one.predictions == other.predictions


def test_a_folder_is_walked_in_natural_order_and_others_are_counted(tmp_path):
    for name in ("10.png", "2.PNG", "b c/1.jpg", "notes.txt", ".hidden.png", ".git/x.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "b c/again").symlink_to(tmp_path)
    (tmp_path / "lost.png").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe.png")
    found, passed = photos.find([f"{tmp_path}/", str(tmp_path / "notes.txt")])
    assert [os.path.relpath(photo.name, tmp_path) for photo in found] == [
        "2.PNG",
        "10.png",
        "b c/1.jpg",
        "lost.png",
        "pipe.png",
        "notes.txt",  # named, so never passed over
    ]
    assert passed == 4
    problems = {os.path.basename(photo.name): photo.problem for photo in found if photo.problem}
    assert problems == {
        "lost.png": "it is a link to nothing (nowhere); correct or remove it",
        "pipe.png": "it is neither a file nor a folder; remove it",
    }


def test_names_that_lead_to_no_picture(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/a.txt").touch()
    (tmp_path / "loop").mkdir()
    (tmp_path / "loop/again").symlink_to(tmp_path / "loop")
    names = ["-", "", *(str(tmp_path / name) for name in ("empty", "docs", "loop", "lost"))]
    (tmp_path / "lost").symlink_to("nowhere")
    found, passed = photos.find(names)
    assert [photo.name for photo in found] == names
    assert passed == 2
    sentences = [
        "pictures are read from files and folders, not from standard input",
        "there is no such file or folder",
        "the folder holds no picture: none of its files is named *.bmp, ",
        "the folder holds no picture: none of its files is named *.bmp, ",
        "the folder holds no picture: none of its files is named *.bmp, ",
        "it is a link to nothing (nowhere)",
    ]
    for photo, sentence in zip(found, sentences, strict=True):
        assert photo.problem.startswith(sentence)


def changed(here, tmp_path, **more):
    """The path of the head with another recipe."""
    head = trained.load(here / "models/head.npz")
    known = {key: value for key, value in (head.recipe | more).items() if value is not None}
    dataclasses.replace(head, recipe=known).save(tmp_path / "head.npz")
    return tmp_path / "head.npz"


def test_what_a_recipe_holds_is_known_to_the_last_key(here):
    assert set(trained.load("models/head.npz").recipe) == set(agreement.KEYS)


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"graph": "0123456789abcdef"}, "is not the backbone that .* trained on: graph .{12} inst"),
        ({"weights": "seed 1"}, "trained on: weights seed 0 instead of seed 1; `dvc repro` trains"),
        ({"layers": ["nope"]}, "unknown layer of mini 'nope'; known: "),
        ({"layers": ["block2:x"]}, r"is damaged: its recipe has the layers \['block2:x'\]"),
        ({"layers": ["block2:" + "9" * 5000]}, "is damaged: its recipe has the layers"),
        ({"size": -1}, "is damaged: its recipe has the size -1"),
        ({"layers": []}, r"is damaged: its recipe has the layers \[\]"),
        ({"layers": ["block2:99"]}, "can't be cut into 99 x 99 cells"),
        ({"layers": ["features"]}, "the head takes 2048 features an image; received 512"),
        (
            {"resize": "lanczos"},
            "unknown resize kernel in the recipe of .* 'lanczos'; known: ",
        ),
        ({"crop": "top"}, "unknown crop in the recipe of .* 'top'; known: "),
        (
            {"views": ["plain", "upside"]},
            "unknown view in the recipe of .* 'upside'; known: .*plain",
        ),
        (
            {"views": ["plain", "plain"]},
            r"is damaged: its recipe has the views \['plain', 'plain'\]",
        ),
        (
            {"views": ["contrast"]},
            r"by other rules: its recipe has {} and this version {.contrast",
        ),
        (
            {"views": ["contrast"], "rules": {"contrast": {"mean": 100, "sd": 64.0, "least": 1.0}}},
            'by other rules: its recipe has {"contrast": {"least": .*; `dvc repro` trains one',
        ),
        (
            {"rules": {"contrast": {}}},
            "by other rules: its recipe has .* and this version {}; `dvc",
        ),
        ({"views": []}, "unknown view in the recipe of .* 'none'"),
        ({"sharpen": 2}, "unknown key in the recipe of .* 'sharpen'; known: .* `dvc repro` trains"),
        ({"crop": None}, "was trained by another version: its recipe has no valid crop; `dvc repr"),
        ({"size": "64"}, "was trained by another version: its recipe has no valid size; "),
    ],
)
def test_a_recipe_that_cant_be_done_to_the_letter_is_refused(here, tmp_path, more, sentence):
    with pytest.raises(InputError, match=sentence) as fault:
        classifier.load(changed(here, tmp_path, **more)).probabilities(
            np.zeros((1, SIZE, SIZE, 3), np.uint8)
        )
    assert "\n" not in str(fault.value)


def test_what_changes_the_last_digits_alone_is_told_and_done(here, tmp_path):
    versions = {"openvino": "2020.1", "decoder": "pillow 1, rules 1"}
    path = changed(
        here, tmp_path, versions=versions, batch=7, engine="keras", precision="f32", pixels={}
    )
    squares = RNG.integers(0, 256, (2, SIZE, SIZE, 3), np.uint8)
    model = classifier.load(path)
    (note,) = model.notes
    for words in (
        f"{path} was trained on slightly other features: here engine openvino instead of keras",
        "instead of 2020.1",
        "instead of pillow 1, rules 1",
        "batch 16 instead of 7",
    ):
        assert words in note
    # f32 runs everywhere, so it is what was asked for.
    assert "precision" not in note
    expected = classifier.load().probabilities(squares)
    np.testing.assert_allclose(model.probabilities(squares), expected, atol=0.05)
    assert classifier.load().notes == []


def test_a_precision_that_this_device_lacks_is_told(here, tmp_path):
    (note,) = classifier.load(changed(here, tmp_path, precision="f16")).notes
    assert note.endswith("here precision f32 instead of f16")


@contextlib.contextmanager
def without(path):
    """`path` away for a while."""
    aside = path.with_name("aside")
    path.rename(aside)
    try:
        yield
    finally:
        aside.rename(path)


def test_no_head_no_backbone_and_a_damaged_one(here):
    with without(here / "models/head.npz"), pytest.raises(InputError, match="there is no head at "):
        classifier.load()
    backbone = here / "models/backbones/mini"
    with without(backbone), pytest.raises(InputError, match="the backbone of mini is not h") as no:
        classifier.load()
    assert "`dvc exp run -S net=mini -S weights=random backbone` brings it back" in str(no.value)
    head = dataclasses.replace(trained.load("models/head.npz"), net="resnet")
    with pytest.raises(InputError, match="run -S net=resnet -S weights=random backbone` brings"):
        agreement.require_backbone(head, "models/head.npz", here / "models/backbones/resnet")
    binary = backbone / "network.bin"
    before = binary.read_bytes()
    binary.write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
    try:
        with pytest.raises(InputError, match="mini is damaged; remove it, then `dvc exp run "):
            classifier.load()
    finally:
        binary.write_bytes(before)


def test_progress_counts_pictures_and_stays_silent_off_a_terminal(here, capsys, monkeypatch):
    made = []

    def bar(**given):
        made.append((given, listing_tqdm(**given)))
        return made[0][1]

    listing_tqdm = listing.tqdm
    monkeypatch.setattr(listing, "tqdm", bar)
    found, _ = photos.find(["pictures"])
    given = answers.stream(classifier.load(), found, 1)
    listing.show(given, classifier.load(), [photo.name for photo in found], as_json=True)
    ((options, shown),) = made
    assert (options["total"], shown.disable) == (len(found), True)
    assert capsys.readouterr().err == ""


def test_table(here, capsys):
    long, odd = "pictures/" + "x" * 50 + ".png", "bell\a\udcff.png"
    given = [
        answers.Answer("a.png", ({"label": "red", "probability": 0.75},) * 2),
        answers.Answer(long, ({"label": "green", "probability": 1.0},)),
        answers.Answer(odd, problem="is no picture"),
    ]
    names = ["a.png", long, odd]
    assert listing.show(given, classifier.load(), names, as_json=False) == 1
    assert capsys.readouterr().out.splitlines() == [
        "softmax head on mini features of colours, untrained",
        "image               class  probability",
        "a.png               red         0.7500",
        "                    red         0.7500",
        long,
        "                    green       1.0000",
        r"bell\x07\udcff.png  error: is no picture",
    ]


def test_a_folder_is_answered_in_one_run(here):
    code, out, err = run(here, "pictures", "pictures/3.png", "--json", "--top", "9")
    assert (code, err) == (0, "")
    lines = [json.loads(line) for line in out.splitlines()]
    names = [f"pictures/{n}.png" for n in range(N)]
    assert [line["image"] for line in lines] == [*names, "pictures/3.png"]
    assert all(set(line) == {"image", "predictions"} for line in lines)
    assert all(len(line["predictions"]) == len(CLASSES) for line in lines)
    assert lines[3]["predictions"] == lines[-1]["predictions"]


def test_the_command_answers_in_about_a_second_without_tensorflow(here):
    spy = (
        "import runpy, sys; sys.argv[1:] = ['predict', 'pictures/1.png'];"
        "runpy.run_module('transfer', run_name='__main__');"
        "sys.exit(str([m for m in ('tensorflow', 'keras', 'dvc') if m in sys.modules] or ''))"
    )
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    start = time.monotonic()
    ran = subprocess.run(
        [sys.executable, "-c", spy], env=env, capture_output=True, text=True, check=False
    )
    assert time.monotonic() - start < 10  # .7 on an idle machine; TensorFlow alone takes 5 and more
    assert ran.stderr.strip() == ""
    assert ran.stdout.splitlines()[2].startswith("pictures/1.png  ")


def test_the_command_exits_by_1_and_says_what_failed(here, tmp_path):
    (tmp_path / "text.png").write_text("hello")
    (tmp_path / "notes.txt").touch()
    Pillow.fromarray(PICTURES[0]).save(tmp_path / "a b.png")
    code, out, err = run(here, tmp_path, "--json")
    first, second = (json.loads(line) for line in out.splitlines())
    assert code == 1
    assert first["predictions"]
    assert set(second) == {"image", "error"}
    assert second["error"].startswith("can't be read as a picture: ")
    assert err == "note: passed over 1 name that is hidden or no picture's\n"
    code, out, err = run(here, tmp_path / "text.png", tmp_path / "a b.png")
    assert code == 1
    lines = out.splitlines()[2:]  # a path of that length stands above its answer
    assert (lines[0], lines[2]) == (str(tmp_path / "text.png"), str(tmp_path / "a b.png"))
    assert lines[1].split("error: ")[1].startswith("can't be read as a picture: ")


def test_the_command_without_a_head_is_one_sentence(tmp_path):
    code, out, err = run(tmp_path, "a.png")
    assert (code, out) == (1, "")
    assert err == "error: there is no head at models/head.npz; dvc repro trains one\n"
    assert run(tmp_path, "a.png", "--top", "0")[0] == 2


def test_the_command_ends_quietly_when_its_reader_does(here):
    process = command(here, *["pictures"] * 60, "--json")
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait(60) == 1


def test_the_command_ends_quietly_when_it_is_interrupted(here):
    def heard():  # else inherited: what a shell starts in the background ignores Ctrl-C
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    process = command(here, *["pictures"] * 600, "--json", preexec_fn=heard)
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    start = time.monotonic()
    process.stdout.read()
    assert process.stderr.read() == ""
    assert process.wait(60) == 130
    assert time.monotonic() - start < 10
