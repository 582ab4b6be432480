"""The different pictures of an index and the parts that show them, against a plain reckoning."""

import dataclasses
import hashlib
import random

import numpy as np
import pytest

from tests.tracing import peak
from transfer.datasets.index import PARTS, Row
from transfer.errors import InputError
from transfer.features import pictures as pictures_
from transfer.features.pictures import Members, listed


def row(number, content, split="train", label="a"):
    sha256 = hashlib.sha256(str(content).encode()).hexdigest()
    return Row(f"{label}/{number}", f"m/{number}", label, split, f"g{content}", sha256)


def drawn(seed, n=300):
    """Rows of every part and of none, of which many show the same picture."""
    rng = random.Random(seed)
    splits = (*PARTS, "unused", "")
    return [row(i, rng.randrange(n), rng.choice(splits), rng.choice("xyz")) for i in range(n)]


@pytest.mark.parametrize("seed", range(4))
def test_pictures_and_parts_are_those_of_a_plain_reckoning(seed):
    rows = drawn(seed)
    used = [row for row in rows if row.split in PARTS]
    first = {}
    for each in used:
        first.setdefault(each.sha256, each.member)
    pictures, parts, classes = listed(rows)
    assert [content.hex() for content in pictures.contents.tolist()] == list(first)
    assert classes == sorted({row.label for row in used})
    assert [part.name for part in parts] == list(PARTS)
    for part in parts:
        mine = [row for row in used if row.split == part.name]
        assert [classes[label] for label in part.labels] == [row.label for row in mine]
        shown = pictures.contents[part.places].tolist()
        assert [content.hex() for content in shown] == [row.sha256 for row in mine]
        for name, strings in (("id", part.ids), ("group", part.groups)):
            expected = np.array([getattr(row, name) for row in mine])
            for _ in range(2):
                (block,) = strings.blocks()
                np.testing.assert_array_equal(block, expected)
                assert block.dtype == strings.dtype == expected.dtype
    places = {member: place for place, member in enumerate(first.values())}
    assert [pictures.place(row.member) for row in rows] == [places.get(r.member) for r in rows]


@pytest.mark.parametrize("few", [pictures_.FEW, 0])
def test_members_of_some_pictures(few, monkeypatch):
    monkeypatch.setattr(pictures_, "FEW", few)
    rows = drawn(9)
    pictures, _, _ = listed(rows)
    chosen = np.arange(0, len(pictures), 3)
    members = Members(pictures, chosen)
    there = [row.member for row in rows if row.member in members]
    assert len(members) == len(there) == len(chosen)
    assert sorted(map(pictures.place, there)) == chosen.tolist()
    assert "no such member" not in members


def test_an_index_of_no_part_has_no_pictures():
    pictures, parts, classes = listed([row(0, 0, "unused")])
    assert (len(pictures), classes) == (0, [])
    assert [len(part.labels) for part in parts] == [0, 0, 0]
    assert pictures.place("m/0") is None


@pytest.mark.parametrize("sha256", ["", "x", "ab" * 31, "AB" * 32])
def test_an_index_without_digests_is_refused(sha256):
    with pytest.raises(InputError, match="where the sha256 of an image, 64 hexadecimal digits"):
        listed([dataclasses.replace(row(0, 0), sha256=sha256)])


def test_an_image_costs_less_than_200_bytes():
    class Rows:
        """Made anew at each iteration, as they are read from a file."""

        def __init__(self, n):
            self.n = n

        def __iter__(self):
            return (row(i, i, PARTS[i % 3], str(i % 10)) for i in range(self.n))

    peaks = []
    for n in (4000, 24000):
        found = []
        peaks.append(peak(lambda n=n, found=found: found.extend(listed(Rows(n)))))
        assert len(found[0]) == n
    assert (peaks[1] - peaks[0]) / 20000 < 200
