"""The map of the features: any number of rows, the same bytes, true neighbours."""

from collections import Counter

import numpy as np
import pytest

from tests.answered import answered
from tests.examples import blobs
from transfer.reports import maps, plots, predictions


def written(path, features, labels, part="test"):
    """The map of features [N, D] as dicts, and what is to be printed; one in ten answers wrong."""
    said = np.where(np.arange(len(labels)) % 10, labels, 9)
    ids = np.array([f"{part}/{i}" for i in range(len(labels))], str)
    found = answered(np.eye(10)[said], labels, part=part, ids=ids, features=features)
    said = maps.write(path, found)
    return predictions.read(path, maps.COLUMNS), said


@pytest.mark.parametrize("n", [0, 1, 2, 5, 9, 10, 11, 40])
@pytest.mark.parametrize("d", [1, 2, 60])
def test_any_number_of_images_has_a_map(tmp_path, n, d):
    x, y = blobs(n, d)
    found, said = written(tmp_path / "m.csv", x, y)
    assert said == []
    assert [row["id"] for row in found] == [f"test/{i}" for i in range(n)]
    points = np.array([(row["x"], row["y"]) for row in found], float)
    assert np.isfinite(points).all()
    if n > 1:
        assert len(np.unique(points, axis=0)) > 1


def test_images_that_are_all_alike_lie_on_one_point(tmp_path):
    found, _ = written(tmp_path / "m.csv", np.ones((30, 8), np.float32), np.zeros(30, int))
    assert {(row["x"], row["y"]) for row in found} == {("0.000", "0.000")}


def test_a_few_different_images_among_copies_do_no_harm(tmp_path):
    x = np.repeat(blobs(4)[0], 20, axis=0)
    found, _ = written(tmp_path / "m.csv", x, np.zeros(80, int))
    assert len({(row["x"], row["y"]) for row in found}) == 4


def test_the_map_is_the_same_again_and_marks_mistakes(tmp_path):
    x, y = blobs(120, 80)
    found, _ = written(tmp_path / "one.csv", x, y)
    written(tmp_path / "two.csv", x, y)
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()
    assert Counter(row["correct"] for row in found) == {"yes": 108, "no": 12}
    assert {row["correct"] for row in found if row["predicted"] != row["label"]} == {"no"}


def test_neighbours_on_the_map_are_of_one_class():
    x, y = blobs(200, 60)
    points = maps.flat(x)
    distance = ((points[:, None] - points[None]) ** 2).sum(axis=2) + np.diag([np.inf] * 200)
    assert (y[distance.argmin(axis=1)] == y).mean() > 0.95


def test_validation_is_drawn_where_there_is_no_test():
    assert plots.shown({"test": 0, "validation": 5}, maps.ORDER) == "validation"
    assert plots.shown({"test": 5, "validation": 5}, maps.ORDER) == "test"


def test_too_many_images_are_thinned_by_a_stable_rule(tmp_path, monkeypatch):
    ids = [f"image {i}" for i in range(500)]
    chosen = maps.drawn(ids, 100)
    assert len(chosen) == 100
    assert chosen == sorted(chosen)
    kept = {ids[i] for i in chosen}
    assert {ids[::-1][i] for i in maps.drawn(ids[::-1], 100)} == kept
    more = [*ids, "another"]
    assert len({more[i] for i in maps.drawn(more, 100)} & kept) >= 99
    monkeypatch.setattr(maps, "MOST", 20)
    x, y = blobs(50)
    found, said = written(tmp_path / "m.csv", x, y)
    assert [row["id"] for row in found] == [
        f"test/{i}" for i in maps.drawn([f"test/{i}" for i in range(50)], 20)
    ]
    assert said == ["the map shows 20 of 50 test images, those whose ids hash lowest"]
