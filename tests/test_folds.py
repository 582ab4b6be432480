"""Folds: whole groups, every class in each, the same whatever the order of rows, and what is done
where the data do not allow it."""

import numpy as np
import pytest

from transfer.heads.choosing import folds


def tracks(sizes, c=3, seed=0):
    """(labels, groups) of c classes that each have groups of these sizes, rows shuffled."""
    labels = np.repeat(np.arange(c), sum(sizes))
    one = np.repeat([f"t{i}" for i in range(len(sizes))], sizes)
    groups = np.array([f"{label}/{g}" for label, g in zip(labels, np.tile(one, c), strict=True)])
    order = np.random.default_rng(seed).permutation(len(labels))
    return labels[order], groups[order]


def test_a_group_is_in_one_fold():
    labels, groups = tracks([9, 5, 5, 3, 2, 1, 1, 1])
    found = folds.dealt(labels, groups, 4, seed=0)
    assert (found.number, found.by, found.note) == (4, "group", "")
    for group in np.unique(groups):
        assert len(np.unique(found.held[groups == group])) == 1
    for c in range(3):
        counts = np.bincount(found.held[labels == c], minlength=4)
        assert counts.tolist().count(0) == 0
        assert sorted(counts)[:3] == [6, 6, 6]  # 27 images, of which 9 are one group


@pytest.mark.parametrize("groups", [None, np.arange(103)])
def test_images_of_a_class_are_dealt_evenly(groups):
    labels = np.arange(103) % 4
    found = folds.dealt(labels, groups, 5, seed=3)
    assert (found.number, found.by) == (5, "image")
    for c in range(4):
        counts = np.bincount(found.held[labels == c], minlength=5)
        assert counts.max() - counts.min() <= 1
    sizes = np.bincount(found.held)
    assert sizes.max() - sizes.min() <= 1


def test_the_order_of_rows_does_not_matter_and_the_seed_does():
    labels, groups = tracks([2] * 20)
    order = np.random.default_rng(5).permutation(len(labels))
    one = folds.dealt(labels, groups, 5, seed=0).held
    assert np.array_equal(folds.dealt(labels[order], groups[order], 5, seed=0).held, one[order])
    assert not np.array_equal(folds.dealt(labels, groups, 5, seed=1).held, one)


def test_groups_may_be_numbers_or_strings():
    labels, groups = tracks([2] * 6)
    numbers = np.unique(groups, return_inverse=True)[1]
    found = folds.dealt(labels, numbers, 3, seed=0)
    assert all(len(np.unique(found.held[numbers == g])) == 1 for g in numbers)


def test_a_class_of_few_groups_is_held_out_in_as_many_folds():
    labels, groups = tracks([4] * 6)
    labels, groups = np.append(labels, [3] * 6), np.append(groups, ["a", "a", "b", "b", "c", "c"])
    found = folds.dealt(labels, groups, 5, seed=0)
    assert found.about() == {"folds": 5, "folds_by": "group", "classes_in_fewer_folds": 1}
    assert found.note == "classes held out otherwise: 1 in fewer than 5 folds, having fewer groups"
    assert len(np.unique(found.held[labels == 3])) == 3
    assert all(len(np.unique(found.held[labels == c])) == 5 for c in range(3))


def test_a_class_of_one_group_alone_is_dealt_by_image():
    labels, groups = tracks([4] * 6)
    without = folds.dealt(labels, groups, 5, seed=0).held
    labels, groups = np.append(labels, [3] * 4), np.append(groups, ["a"] * 4)
    found = folds.dealt(labels, groups, 5, seed=0)
    assert (found.number, found.by, found.ungrouped, found.lone) == (5, "group", 1, 0)
    assert "1 image by image, having one group, which stands on both sides" in found.note
    assert len(np.unique(found.held[labels == 3])) == 4
    assert np.array_equal(found.held[labels < 3], without)


def test_one_group_in_every_class_makes_folds_of_images():
    labels = np.repeat(np.arange(3), 10)
    found = folds.dealt(labels, labels.astype(str), 5, seed=0)
    assert found.about() == {"folds": 5, "folds_by": "image", "classes_without_groups": 3}
    assert all(np.bincount(found.held[labels == c]).tolist() == [2] * 5 for c in range(3))


def test_a_class_of_one_image_is_never_held_out():
    labels = np.append(np.arange(30) % 3, 3)
    found = folds.dealt(labels, None, 5, seed=0)
    assert found.held[-1] == folds.NEVER
    assert (found.held[:-1] != folds.NEVER).all()
    assert found.about() == {"folds": 5, "folds_by": "image", "classes_never_held_out": 1}
    assert found.note == "classes held out otherwise: 1 never, having one image"


def test_one_image_a_class_leaves_no_folds():
    found = folds.dealt(np.arange(4), np.array(list("aabb")), 5, seed=0)
    assert found.number == 0
    assert (found.held == folds.NEVER).all()


def test_a_group_of_two_classes_stays_together():
    labels = np.array([0] * 6 + [1] * 7)
    groups = np.array(list("abcdef") + list("aghijkl"))
    found = folds.dealt(labels, groups, 3, seed=0)
    assert found.held[0] == found.held[6]


def test_labels_need_not_be_without_gaps():
    labels = np.array([2, 7] * 10)
    found = folds.dealt(labels, None, 5, seed=0)
    assert (found.number, found.note) == (5, "")
