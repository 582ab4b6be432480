"""`python -m transfer imagenet`: networks' own classes, and what is kept of a network for them."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.imports import ROOT
from transfer.downloads import fetching
from transfer.errors import InputError
from transfer.serving import answers, imagenet, photos, shelf

# Float32 probabilities that the mirror's README gives; of googlenet and squeezenet they are those
# of Caffe's own models.
EXPECTED = {
    "googlenet": {
        "poodle": {"miniature_poodle": 0.56, "toy_poodle": 0.27, "standard_poodle": 0.16},
        "weasel": {"weasel": 0.84},
    },
    "squeezenet": {
        "poodle": {"miniature_poodle": 0.65, "toy_poodle": 0.34},
        "weasel": {"weasel": 0.97},
    },
    "resnet": {"poodle": {"miniature_poodle": 0.84}, "weasel": {"weasel": 0.81}},
}


@pytest.fixture(scope="session")
def store(tmp_path_factory):
    """One store for all tests, so that each network is converted once."""
    return tmp_path_factory.mktemp("imagenet")


@pytest.fixture
def kept(store, monkeypatch, mirror):
    monkeypatch.setenv("TRANSFER_STORE", str(store))
    return store


def classify(net, mirror, *names, batch=16):
    classifier = imagenet.load(net, str(mirror), batch)
    found, _ = photos.find([str(mirror / "images" / name) for name in names])
    return list(answers.stream(classifier, found, 5))


@pytest.mark.parametrize("net", EXPECTED)
def test_the_probabilities_are_the_published_ones(kept, mirror, net):
    given = classify(net, mirror, "poodle.png", "weasel.png")
    for answer, (_, expected) in zip(given, EXPECTED[net].items(), strict=True):
        first = answer.predictions[: len(expected)]
        assert [one["label"] for one in first] == list(expected)
        for one in first:
            assert one["probability"] == pytest.approx(expected[one["label"]], abs=0.01)


def test_every_class_has_its_name_and_number(kept, mirror):
    classifier = imagenet.load("squeezenet", str(mirror), 1)
    assert len(classifier.classes) == 1000
    assert classifier.classes[266] == {"label": "miniature_poodle", "wnid": "n02113712"}
    probabilities = classifier.probabilities(np.zeros((2, 227, 227, 3), np.uint8))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-4)


def run(folder, store, *words, mirror=""):
    return subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env=os.environ
        | {"TRANSFER_STORE": str(store), "TRANSFER_MIRROR": str(mirror), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_converts_once_and_then_needs_no_tensorflow(kept, mirror, tmp_path):
    """In a workspace of cards and params.yaml alone: DVC and its outputs have no part in it."""
    (tmp_path / "params.yaml").write_text("mirror: ''\nweights: random\n")
    shutil.copytree(ROOT / "models/cards", tmp_path / "models/cards")
    spy = (
        "import runpy, sys; sys.argv[1:] = ['imagenet', *sys.argv[1:]];"
        "runpy.run_module('transfer', run_name='__main__');"
        "assert 'tensorflow' not in sys.modules"
    )
    imagenet.load("squeezenet", str(mirror), 1)
    words = (str(mirror / "images/poodle.png"), "--net", "squeezenet", "--json", "--top", "1")
    again = run(tmp_path, kept, "-c", spy, *words, mirror=mirror)
    assert (again.returncode, again.stderr) == (0, "")
    (one,) = json.loads(again.stdout)["predictions"]
    assert (one["label"], one["wnid"]) == ("miniature_poodle", "n02113712")
    assert one["probability"] == pytest.approx(0.65, abs=0.01)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["models", "params.yaml"]


@pytest.mark.parametrize("name", ["network.bin", "imagenet_class_index.json", "backbone.json"])
def test_a_damaged_network_is_made_again(kept, mirror, name, capsys):
    classify("squeezenet", mirror, "poodle.png")
    capsys.readouterr()
    (folder,) = (
        path.parent
        for path in kept.glob("imagenet/*/backbone.json")
        if json.loads(path.read_text())["net"] == "squeezenet"
    )
    (folder / name).write_bytes((folder / name).read_bytes()[:-3])
    (answer,) = classify("squeezenet", mirror, "poodle.png")
    assert answer.predictions[0]["probability"] == pytest.approx(0.65, abs=0.01)
    assert "imagenet: converting squeezenet" in capsys.readouterr().err
    classify("squeezenet", mirror, "poodle.png")
    assert capsys.readouterr().err == ""
    assert sorted(p.name for p in folder.iterdir()) == [
        "backbone.json",
        "imagenet_class_index.json",
        "network.bin",
        "network.xml",
    ]


def test_a_net_without_classes_lists_those_that_have_some():
    with pytest.raises(InputError, match="unknown net with classes of its own 'mini'; known: "):
        imagenet.load("mini", "", 1)
    with pytest.raises(InputError, match="unknown net 'nope'; known: "):
        imagenet.load("nope", "", 1)


def test_a_network_of_other_classes_is_told(kept, mirror, monkeypatch):
    monkeypatch.setattr(imagenet, "_classes", lambda path: [{"label": "a"}])
    with pytest.raises(InputError, match=r"prob of squeezenet gives 1000 probabilities; expected "):
        imagenet.load("squeezenet", str(mirror), 1)


def test_weights_that_cant_be_had_leave_nothing(tmp_path, monkeypatch):
    (tmp_path / "SHA256SUMS").write_text(f"{'0' * 64}  squeezenet_v1.1.npy\n")
    (tmp_path / "squeezenet_v1.1.npy").write_bytes(b"other bytes")

    def names_alone(file, *rest, fetch=fetching.fetch, **more):
        return None if file is imagenet.CLASSES else fetch(file, *rest, **more)

    monkeypatch.setattr(fetching, "fetch", names_alone)
    with pytest.raises(InputError, match=r"squeezenet_v1.1.npy has sha256 .* expected 0000"):
        imagenet.load("squeezenet", str(tmp_path), 1)
    assert list(Path(os.environ["TRANSFER_STORE"], "imagenet").iterdir()) == []


def is_whole(folder):
    return (folder / "value").is_file() and (folder / "value").read_text() == "whole"


def fill(folder):
    (folder / "value").write_text("whole")


def test_what_is_kept_is_made_once_for_equal_reasons():
    first = shelf.kept("things", {"a": 1, "b": [2]}, fill, is_whole)
    assert shelf.kept("things", {"b": [2], "a": 1}, pytest.fail, is_whole) == first
    assert shelf.kept("things", {"a": 2, "b": [2]}, fill, is_whole) != first


def test_a_fault_or_a_kill_leaves_nothing_half_made():
    def interrupted(folder):
        (folder / "value").write_text("wh")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        shelf.kept("things", {}, interrupted, is_whole)
    assert list(Path(os.environ["TRANSFER_STORE"], "things").iterdir()) == []
    place = shelf.kept("things", {}, fill, is_whole)
    assert [path.name for path in place.iterdir()] == ["value"]


def test_what_a_killed_process_left_is_cleared_after_a_day():
    place = shelf.kept("things", {}, fill, is_whole)
    for name, age in ((".old.1", 90_000), (".new.2", 4000)):
        (place.parent / name).mkdir()
        os.utime(place.parent / name, times=(time.time() - age,) * 2)
    other = shelf.kept("things", {"a": 1}, fill, is_whole)
    assert {path.name for path in place.parent.iterdir()} == {place.name, other.name, ".new.2"}


@pytest.mark.parametrize("theirs", ["whole", "damaged"])
def test_of_two_that_make_it_at_once_one_wins(theirs):
    inode = []

    def late(folder):
        other = shelf.kept("things", {}, fill, is_whole)  # another process, in the meantime
        (other / "value").write_text(theirs)
        inode.append((other / "value").stat().st_ino)
        fill(folder)

    place = shelf.kept("things", {}, late, is_whole)
    assert is_whole(place)
    assert ((place / "value").stat().st_ino == inode[0]) == (theirs == "whole")
    assert list(place.parent.iterdir()) == [place]
