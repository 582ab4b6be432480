"""The mirror's traffic signs, in the publisher's zips and as the course's pickle."""

from collections import Counter, defaultdict

import numpy as np
import pytest
from PIL import Image

from tests.imports import ROOT
from transfer.datasets import sources, survey
from transfer.datasets.reading import images, readers

TRAIN = "GTSRB/Final_Training/Images"
NEAR = (
    "traffic has 55 sets of near-duplicates, 1 of them across labels and 3 across parts of the "
    "source"
)


def load(name):
    return sources.load(ROOT / "data" / "datasets" / name)


def index_of(source, raw, **change):
    draw = {"by": "group", "per_class": 100, "validation": None, "test": None, "seed": 0}
    given = {"strict": False, **draw, **change}
    rows, notes = survey.build(readers.read(source, None, raw), source, **given)
    return list(rows), notes


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return tmp_path_factory.mktemp("decoded")


@pytest.fixture(scope="module")
def signs(mirror, store):
    return index_of(load("traffic"), mirror, store=store)


def test_counts_of_the_mirrors_signs(signs):
    rows, notes = signs
    assert notes == [NEAR]
    assert not any(row.problem for row in rows)
    parts = Counter(row.split for row in rows)
    assert parts["test"] == 2500
    assert parts["train"] + parts["validation"] + parts["unused"] == 6084
    assert sorted({row.label for row in rows}) == list(load("traffic").classes)
    classes = Counter(row.label for row in rows if row.split != "test")
    assert len(classes) == 43
    assert {min(classes.values()), max(classes.values())} == {140, 144}
    trained = Counter(row.label for row in rows if row.split == "train")
    assert min(trained.values()) == 100 == max(trained.values())
    tests = Counter(row.label[:2] for row in rows if row.split == "test")
    assert [tests[number] for number in ("00", "02", "13", "38")] == [15, 148, 151, 140]


def test_no_track_is_split_and_the_official_test_set_stays_sealed(signs, mirror, store):
    for rows, _ in (signs, index_of(load("traffic"), mirror, store=store, seed=5, validation=0.4)):
        parts = defaultdict(set)
        for row in rows:
            parts[row.group].add("train" if row.split == "unused" else row.split)
        assert all(len(found) == 1 for found in parts.values())
        assert len([group for group, found in parts.items() if found != {"test"}]) == 584
        for row in rows:
            assert (
                (row.split == "test") == row.id.startswith("test/") == ("Final_Test" in row.member)
            )
    first = signs[0][0]
    assert (first.id, first.member, first.label, first.group) == (
        "train/00000/00000_00000.ppm",
        f"{TRAIN}/00000/00000_00000.ppm",
        "00 speed limit 20",
        "00000/00000",
    )


def test_by_image_the_test_set_stays_sealed_too(mirror, store):
    rows, notes = index_of(load("traffic"), mirror, store=store, by="image", test=0.5)
    assert all((row.split == "test") == row.id.startswith("test/") for row in rows)
    assert notes == ["split.test is not used: traffic has a test part of its own", NEAR]
    parts = defaultdict(set)
    for row in rows:
        parts[row.group].add(row.split)
    assert any({"train", "validation"} <= found for found in parts.values())  # the course's leak


def test_the_courses_pickle_holds_the_same_signs(signs, mirror):
    source = load("traffic32")
    rows, notes = index_of(source, mirror, per_class="all")
    assert notes == [
        "traffic32 knows no tracks: split.by group keeps only copies and near-duplicates together",
        "traffic32 has 160 sets of near-duplicates, 0 of them across labels and 0 across parts of "
        "the source",
    ]
    assert not any(row.problem for row in rows)
    assert (rows[0].id, rows[42].member) == ("train/00000", "train.p:42")
    classes = Counter(row.label for row in rows)
    assert classes == Counter(row.label for row in signs[0] if row.split != "test")
    parts = Counter(row.split for row in rows)
    assert parts == {"train": 4066, "validation": 2018}
    (image,) = readers.read(source, None, mirror, {"train.p:42"})
    assert (image.id, image.label) == ("train/00042", rows[42].label)
    assert (image.data.shape, image.data.dtype) == ((32, 32, 3), np.uint8)


def test_the_pictures_are_the_same_signs(mirror):
    """Colours, rows and columns: each PPM, made 32x32, is nearest to a row of its own."""

    def of(name):
        found = readers.read(load(name), None, mirror)
        return [images.pixels(i) for i in found if i.label == "14 stop" and i.part != "test"]

    rows = np.array(of("traffic32"), float)  # [N, 32, 32, 3]
    resized = [np.asarray(Image.fromarray(picture).resize((32, 32))) for picture in of("traffic")]
    nearest = [np.abs(rows - picture).mean((1, 2, 3)).argmin() for picture in resized]
    assert sorted(nearest) == list(range(len(rows))) == list(range(144))
