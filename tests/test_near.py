"""Near-duplicates: what a fingerprint tells, which are found among many, and what is done."""

import csv
import io

import numpy as np
import pytest
from PIL import Image as Picture

from tests.imports import ROOT
from tests.test_dag import STAGES
from transfer.datasets import fingerprints, near, nearness, sources, survey
from transfer.datasets.reading import images, readers
from transfer.datasets.reading.images import Image

DRAW = {"by": "group", "per_class": "all", "validation": 0.2, "test": 0.2, "seed": 0}


def scene(seed, side=96):
    """uint8 [side, side, 3]: smooth colours with some structure, as a photo has."""
    rough = np.random.default_rng(seed).integers(0, 256, (12, 12, 3), np.uint8)
    return np.asarray(Picture.fromarray(rough).resize((side, side), Picture.Resampling.BICUBIC))


def jpeg(pixels, quality):
    file = io.BytesIO()
    Picture.fromarray(pixels).save(file, "JPEG", quality=quality)
    return np.asarray(Picture.open(file))


def halved(pixels):
    height, width = pixels.shape[:2]
    small = Picture.fromarray(pixels).resize((width // 2, height // 2))
    return np.asarray(small.resize((width, height)))


def cropped(pixels):
    height, width = pixels.shape[:2]
    top, left = height // 100, width // 100
    return pixels[top : height - top, left : width - left].copy()


def code(pixels):
    (found,) = fingerprints.of_squares([fingerprints.square(pixels)])
    return int.from_bytes(found)


def apart(one, other):
    return (code(one) ^ code(other)).bit_count()


COPIES = {
    "re-encoded at 60": lambda pixels: jpeg(pixels, 60),
    "re-encoded at 95": lambda pixels: jpeg(pixels, 95),
    "halved and back": halved,
    "brighter": lambda pixels: np.minimum(pixels * 1.1, 255).astype(np.uint8),
    "cropped by 2 %": cropped,
    "grey": lambda pixels: np.asarray(Picture.fromarray(pixels).convert("L").convert("RGB")),
}


@pytest.mark.parametrize("name", COPIES)
def test_copies_of_photos_are_near(name, mirror):
    source = sources.load(ROOT / "data/datasets/flowers")
    photos = list(readers.read(source, None, mirror))[::15]
    pixels = [images.pixels(photo) for photo in photos]
    found = [apart(one, COPIES[name](one)) <= nearness.DISTANCE for one in pixels]
    assert np.mean(found) >= 0.95
    assert all(apart(one, one[:, ::-1].copy()) > nearness.DISTANCE for one in pixels)


def test_a_picture_without_structure_has_no_fingerprint():
    ramp = np.tile(np.arange(64, dtype=np.uint8)[:, None, None] * 3, (1, 64, 3))
    for pixels in (np.zeros((8, 8, 3), np.uint8), np.full((64, 64, 3), 200, np.uint8), ramp):
        assert fingerprints.of_squares([fingerprints.square(pixels)]) == [fingerprints.VOID]
    assert fingerprints.of_squares([]) == []


def test_a_fingerprint_does_not_depend_on_the_batch():
    squares = [fingerprints.square(scene(i)) for i in range(20)]
    assert fingerprints.of_squares(squares) == [fingerprints.of_squares([s])[0] for s in squares]


def ordered(codes, kind):
    order = np.lexsort((codes[:, 1], codes[:, 0], kind))
    return codes[order], kind[order]


@pytest.mark.parametrize("seed", range(5))
def test_what_hangs_together_is_what_all_pairs_say(seed):
    rng = np.random.default_rng(seed)
    base = rng.integers(0, 1 << 63, (15, 2), np.uint64)
    flips = np.zeros((300, 128), np.uint8)
    for row in flips:
        row[rng.choice(128, rng.integers(0, 10), replace=False)] = 1
    codes = base[rng.integers(0, 15, 300)] ^ np.packbits(flips, axis=1).view(">u8")
    codes, kind = ordered(codes, rng.integers(-1, 3, 300).astype(np.int32))
    links = nearness.links(
        np.ascontiguousarray(codes.T, np.uint64), kind, np.arange(300, dtype=np.int32)
    )
    distance = np.bitwise_count(codes[:, None] ^ codes).sum(2)
    assert (distance[links.one, links.other] == links.distance).all()
    assert links.distance.max() <= nearness.DISTANCE
    alike = (kind[:, None] == kind) & (kind >= 0)
    for forest, allowed in ((links.sets, True), (links.kin, alike)):
        reached = ((distance <= nearness.DISTANCE) & allowed) | np.eye(300, dtype=bool)
        for _ in range(9):
            reached = reached @ reached
        roots = forest.roots(np.arange(300))
        assert (reached == (roots[:, None] == roots)).all()


def test_each_bit_may_differ_up_to_the_distance():
    rng = np.random.default_rng(1)
    for bits in (nearness.DISTANCE, nearness.DISTANCE + 1):
        for _ in range(50):
            flip = np.zeros(128, np.uint8)
            flip[rng.choice(128, bits, replace=False)] = 1
            codes = np.zeros((2, 2), np.uint64)
            codes[1] = np.packbits(flip).view(">u8")
            links = nearness.links(
                np.ascontiguousarray(codes.T), np.zeros(2, np.int32), np.arange(2)
            )
            assert len(links.one) == (bits <= nearness.DISTANCE)


def test_thousands_near_each_other_cost_a_chain(monkeypatch):
    rng = np.random.default_rng(0)
    codes = np.zeros((4000, 2), np.uint64)
    codes[:, 1] = np.arange(4000)  # at most 12 bits apart
    compared = []
    plain = nearness._Search.compare
    monkeypatch.setattr(
        nearness._Search,
        "compare",
        lambda self, one, other: compared.append(len(one)) or plain(self, one, other),
    )
    codes, kind = ordered(codes, rng.integers(0, 2, 4000).astype(np.int32))
    links = nearness.links(
        np.ascontiguousarray(codes.T, np.uint64), kind, np.arange(4000, dtype=np.int32)
    )
    assert len(np.unique(links.sets.roots(np.arange(4000)))) == 1
    assert len(np.unique(links.kin.roots(np.arange(4000)))) == 2
    assert len(links.one) <= 2 * 4000
    assert sum(compared) < 91 * 4000**2 / 2 / 50


def image(name, label, pixels, part="", track=""):
    return Image(name, name, label, part, track, pixels)


def surveyed(found, **change):
    source = sources.Source(name="mine", kind="own", split={"validation": 0.2, "test": 0.2})
    rows, notes = survey.build(found, source, strict=False, **{**DRAW, **change})
    return rows, {row.id: row for row in rows}, notes


def mixed():
    found = [image(f"{k}{i}", k, scene(100 * c + i)) for c, k in enumerate("ab") for i in range(8)]
    return [
        *found,
        image("a-again", "a", jpeg(scene(0), 80)),
        image("a-in-b", "b", jpeg(scene(1), 80)),
    ]


def test_near_ones_of_a_class_join_and_others_are_told_of(tmp_path):
    rows, by_id, notes = surveyed(mixed())
    assert by_id["a0"].group == by_id["a-again"].group
    assert by_id["a0"].split == by_id["a-again"].split
    assert by_id["a1"].group != by_id["a-in-b"].group
    assert len({row.group for row in by_id.values()}) == 17
    assert (
        "mine has 2 sets of near-duplicates, 1 of them across labels and 0 across parts of the "
        "source"
    ) in notes
    near.write(tmp_path / "near.csv", rows)
    with open(tmp_path / "near.csv", encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    assert [(row["id"], row["near"], row["label"], row["near_label"]) for row in table] == [
        ("a-again", "a0", "a", "a"),
        ("a-in-b", "a1", "b", "a"),
    ]
    for row in table:
        assert 0 <= int(row["distance"]) <= nearness.DISTANCE
        assert (row["split"], row["near_split"]) == tuple(
            by_id[row[key]].split for key in ("id", "near")
        )
    again, others, _ = surveyed(mixed()[::-1])
    near.write(tmp_path / "again.csv", again)
    assert (tmp_path / "again.csv").read_bytes() == (tmp_path / "near.csv").read_bytes()
    assert others == by_id


def test_by_image_joins_copies_alone():
    _, by_id, _ = surveyed(mixed(), by="image")
    assert len({row.group for row in by_id.values()}) == 18


def test_tracks_and_parts_of_the_source_stay_as_they_are():
    found = [
        image(f"{k}{i}", k, scene(100 * c + i), "train")
        for c, k in enumerate("ab")
        for i in range(8)
    ]
    found += [
        image("test", "a", jpeg(scene(0), 80), "test"),
        image("s/1", "b", scene(500), "train", "s"),
        image("t/1", "b", jpeg(scene(500), 80), "train", "t"),
        image("t/2", "b", jpeg(scene(500), 70), "train", "t"),
    ]
    rows, by_id, notes = surveyed(found)
    assert by_id["a0"].group != by_id["test"].group
    assert by_id["test"].split == "test"
    assert [by_id[name].group for name in ("s/1", "t/1", "t/2")] == ["s", "t", "t"]
    assert "mine has 2 sets of near-duplicates, 0 of them across labels and 1 across" in notes[-1]
    assert len(rows.near.one) == 2  # t/1 and t/2 are of one track already


def test_flowers_twice_is_set_aside_and_a_near_copy_is_told_of(mirror):
    source = sources.load(ROOT / "data/datasets/flowers")
    found = [one for one in readers.read(source, None, mirror) if one.label in ("roses", "tulips")]
    (rose, *_) = [one for one in found if one.label == "roses"]
    again = image("tulips/again.png", "tulips", jpeg(images.pixels(rose), 75))
    rows, by_id, _ = surveyed([*found, again])
    assert sum("under another label" in row.problem for row in by_id.values()) == 2
    (pair,) = zip(rows.near.one, rows.near.other, strict=True)
    assert [rows.row(n).id for n in pair] == [rose.id, again.id]


def test_no_stage_but_evaluate_reads_the_test_pack():
    (pack,) = [out for out in STAGES["extract"]["outs"] if out.endswith("_test.p")]
    assert [name for name, stage in STAGES.items() if pack in stage["deps"]] == ["evaluate"]
