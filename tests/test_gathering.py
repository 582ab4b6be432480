"""Rows of a pack in random order: the right ones, and the right bytes of the file asked for."""

import mmap

import numpy as np
import pytest

from tests.examples import blobs, write_pack
from transfer.packs import gathering, reader


@pytest.fixture
def pack(tmp_path):
    write_pack(tmp_path / "x.p", *blobs(3000, 130))
    return reader.read(tmp_path / "x.p")


class Asked:
    """What stands in for a map; it holds the bytes that were asked for."""

    def __init__(self):
        self.ranges = []

    def madvise(self, option, start, length):
        assert option == mmap.MADV_WILLNEED
        assert start % mmap.PAGESIZE == 0
        self.ranges.append((start, start + length))


def test_rows_are_found_in_the_file(pack, tmp_path):
    np.save(tmp_path / "x.npy", pack.features)
    for features in (pack.features, np.load(tmp_path / "x.npy", mmap_mode="r"), pack.features[7:]):
        file, start = gathering._place(features)
        for row in (0, 1, 2000):
            at = start + row * 130 * 4
            assert file[at : at + 130 * 4] == features[row].tobytes()


def test_features_that_lie_in_no_file_are_not_looked_for_in_one(pack):
    for features in (
        np.array(pack.features),
        pack.features[::2],
        pack.features[:, 1:],
        np.frombuffer(bytes(40), np.float32).reshape(2, 5),
    ):
        assert gathering._place(features) == (None, 0)


def test_rows_are_asked_for_once_the_disk_was_waited_for(pack, monkeypatch):
    waits = iter([0, gathering.WAITED - 1, 20, 20 + gathering.WAITED, 99, 99])
    monkeypatch.setattr(gathering, "_waits", lambda: next(waits))
    gatherer, asked = gathering.Gatherer(pack.features), Asked()
    start, gatherer._map = gatherer._start, asked
    numbers = np.array([3, 4, 2999])
    for expected in (0, 0, 3):
        np.testing.assert_array_equal(gatherer.rows(numbers), pack.features[numbers])
        assert len(asked.ranges) == expected
    for number, (first, last) in zip(numbers, asked.ranges, strict=True):
        row = start + number * 130 * 4
        assert row - mmap.PAGESIZE < first <= row
        assert last == row + 130 * 4


def test_asking_changes_no_row(pack):
    numbers = np.sort(np.random.default_rng(0).permutation(3000)[:500])
    for features in (pack.features, np.array(pack.features), pack.features.astype(np.float64)):
        gatherer = gathering.Gatherer(features)
        gatherer._asks = gatherer._map is not None
        found = gatherer.rows(numbers)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, pack.features[numbers])
        found[:] = 0  # a copy: the pack can't be written to


def test_a_system_that_takes_no_advice_is_read_all_the_same(pack):
    class Deaf:
        def madvise(self, *_):
            raise OSError("no advice taken")

    gatherer = gathering.Gatherer(pack.features)
    gatherer._map, gatherer._asks = Deaf(), True
    np.testing.assert_array_equal(gatherer.rows(np.arange(5)), pack.features[:5])
