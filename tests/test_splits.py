import random
from collections import Counter, defaultdict
from dataclasses import replace
from hashlib import sha256

import pytest

from transfer.datasets import duplicates
from transfer.datasets.draft import NONE, Draft
from transfer.datasets.index import Row
from transfer.datasets.splits import SPLITS, assign, exact
from transfer.errors import InputError

DRAW = {"by": "group", "per_class": "all", "validation": 1 / 6, "test": 1 / 6, "seed": 0}


def row(label, content, id_=None, track="", part="", problem=""):
    digest = sha256(f"{content}".encode()).hexdigest()
    id_ = id_ or f"{label}/{content}"
    return Row(id_, id_, label, part, track, digest, problem)


def rows(n, label="a", track=lambda i: "", part="", first=0):
    return [row(label, f"{label}{i}", track=track(i), part=part) for i in range(first, first + n)]


def numbers(given):
    draft = Draft()
    draft.add(given)
    return draft.numbers()


def drawn(given, **change):
    rows = numbers(given)
    splits = assign(rows, duplicates.groups(rows), **{**DRAW, **change})
    pairs = zip(groups(given), splits, strict=True)
    return [replace(one, split=SPLITS[split]) for one, split in pairs]


def groups(given):
    """`given` with the names of their groups."""
    tracks = sorted({one.group for one in given if one.group})
    return [
        replace(one, group=tracks[group] if group < len(tracks) else one.sha256[:16])
        for one, group in zip(given, duplicates.groups(numbers(given)), strict=True)
    ]


def set_aside(given):
    """`given` with the problems of those that contradict or leak into another."""
    pairs = zip(given, duplicates.rivals(numbers(given)), strict=True)
    return [
        one if rival == NONE else replace(one, problem=duplicates.sentence(one.label, given[rival]))
        for one, rival in pairs
    ]


def counts(given):
    return Counter(one.split for one in given)


def parts(given):
    return {one.id: one.split for one in given}


@pytest.mark.parametrize(
    ("n", "validation", "test", "expected"),  # expected: train, validation, test
    [
        (150, 1 / 6, 1 / 6, (100, 25, 25)),
        (10, 0.1, 0.1, (8, 1, 1)),
        (100, 0.1, 0.2, (70, 10, 20)),
        (100, 0, 0.3, (70, 0, 30)),
        (100, 0.2, 0, (80, 20, 0)),
        (600, 0.2, 0, (480, 120, 0)),
        (7, 0, 0, (7, 0, 0)),
        (5, 0.3, 0.3, (2, 2, 1)),  # middles .5; 1.5, 2.5; 3.5, 4.5 with cuts at 1.5 and 3
        (1, 0.2, 0.2, (1, 0, 0)),
    ],
)
def test_counts_are_exact(n, validation, test, expected):
    for seed in (0, 1):
        found = counts(drawn(rows(n), validation=validation, test=test, seed=seed))
        assert (found["train"], found["validation"], found["test"]) == expected


def test_known_answer():
    """Pinned, since a split that moves would make all published figures mean something else."""
    found = drawn(rows(6), validation=1 / 3, test=1 / 6)
    order = sorted(rows(6), key=lambda r: sha256(f"0 {r.sha256}".encode()).hexdigest())
    assert [parts(found)[one.id] for one in order] == ["test"] + ["validation"] * 2 + ["train"] * 3
    assert [one.id for one in order] == ["a/a0", "a/a2", "a/a3", "a/a4", "a/a5", "a/a1"]


def test_order_and_names_of_files_change_nothing():
    given = rows(60) + rows(40, "b", track=lambda i: f"t{i // 7}")
    found = parts(drawn(given, per_class=20))
    shuffled = given.copy()
    random.Random(3).shuffle(shuffled)
    assert parts(drawn(shuffled, per_class=20)) == found
    renamed = [replace(one, id=f"x{one.id[::-1]}") for one in given]
    assert [r.split for r in drawn(renamed, per_class=20)] == [found[one.id] for one in given]


def test_seed_alone_reshuffles():
    given = rows(150)
    assert parts(drawn(given)) != parts(drawn(given, seed=1))
    assert parts(drawn(given)) == parts(drawn(given))


def test_added_images_move_only_units_at_a_boundary():
    before = parts(drawn(rows(200), validation=0.2, test=0.2))
    after = parts(drawn(rows(210), validation=0.2, test=0.2))
    moved = sum(before[id_] != after[id_] for id_ in before)
    assert moved <= 2 * 10
    other = parts(drawn(rows(200) + rows(50, "b"), validation=0.2, test=0.2))
    assert all(other[id_] == split for id_, split in before.items())


def test_tracks_never_split_and_counts_are_right_to_one_track():
    given = rows(300, track=lambda i: f"t{i // 30}") + rows(100, "b", track=lambda i: f"u{i // 9}")
    for seed in range(5):
        found = drawn(given, validation=0.2, test=0.2, seed=seed)
        of_group = defaultdict(set)
        for one in found:
            of_group[one.group].add(one.split)
        assert all(len(splits) == 1 for splits in of_group.values())
        for label, n, size in (("a", 300, 30), ("b", 100, 9)):
            count = counts(one for one in found if one.label == label)
            assert abs(count["test"] - 0.2 * n) <= size / 2
            assert abs(count["validation"] - 0.2 * n) <= size


def test_by_image_splits_tracks_but_never_copies():
    given = rows(90, track=lambda i: f"t{i // 30}")
    given += [replace(one, id=f"{one.id}-copy") for one in given[:40]]
    found = drawn(given, by="image", per_class=30)
    trained = {one.sha256 for one in found if one.split in ("train", "unused")}
    assert not trained & {one.sha256 for one in found if one.split in ("validation", "test")}
    assert len({one.split for one in found if one.group == "t0"}) > 1


def test_ceiling_takes_from_all_tracks_in_turn():
    given = rows(120, track=lambda i: f"t{i // 30}")
    found = drawn(given, per_class=10, validation=0, test=0)
    used = Counter(one.group for one in found if one.split == "train")
    assert sorted(used.values()) == [2, 2, 3, 3]
    assert counts(found) == {"train": 10, "unused": 110}
    more = drawn(given, per_class=11, validation=0, test=0)
    chosen = {one.id for one in found if one.split == "train"}
    assert chosen < {one.id for one in more if one.split == "train"}


def test_the_ceiling_does_not_touch_who_judges():
    few, all_ = drawn(rows(60), per_class=5), drawn(rows(60))
    for part in ("validation", "test"):
        assert [r.id for r in few if r.split == part] == [r.id for r in all_ if r.split == part]


def test_own_parts_are_kept_and_the_missing_one_drawn():
    given = rows(50, part="train") + rows(10, part="test", first=50)
    found = drawn(given, validation=0.2, test=0.5)
    assert counts(found) == {"train": 40, "validation": 10, "test": 10}
    assert all(one.split == "test" for one in found[50:])
    every = given + rows(5, part="validation", first=60)
    assert counts(drawn(every, validation=0.5, test=0.5)) == {
        "train": 50,
        "validation": 5,
        "test": 10,
    }


def test_rows_with_a_problem_have_no_part_and_weigh_nothing():
    given = [*rows(150), row("a", "x", problem="broken")]
    found = drawn(given)
    assert found[-1].split == ""
    assert parts(found[:-1]) == parts(drawn(given[:-1]))


def test_faults():
    with pytest.raises(InputError, match="must be less than 1 together"):
        drawn(rows(10), validation=0.5, test=0.5)
    tracks = rows(9, track=lambda i: "t") + rows(9, "b")
    with pytest.raises(InputError, match="class a has no training image left of 9"):
        drawn(tracks, validation=0.2, test=0.6)
    with pytest.raises(InputError, match="class b has no training image left of 0"):
        drawn([*rows(9, part="train"), *rows(3, "b", part="test")])


def test_a_ceiling_that_no_number_of_a_machine_holds():
    assert counts(drawn(rows(6), per_class=10**30, validation=0, test=0)) == {"train": 6}


def test_fractions_are_the_decimals_written():
    assert exact(0.1) + exact(0.2) == exact(0.3)
    assert exact(1e-7) * 10**7 == 1


# Equal images


def test_copies_and_the_tracks_that_share_one_are_one_group():
    given = [
        row("a", 1, "p"),
        row("a", 1, "q"),
        row("a", 2, "r", "t2"),
        row("a", 3, "s", "t1"),
        row("a", 4, "t", "t1"),
        row("a", 4, "u", "t2"),
        row("a", 1, "v", "t9"),
        row("a", 5, "w"),
    ]
    for shuffled in (given, given[::-1]):
        found = {one.id: one.group for one in groups(shuffled)}
        assert found["p"] == found["q"] == found["v"] == "t9"
        assert found["r"] == found["s"] == found["t"] == found["u"] == "t1"
        assert found["w"] == row("a", 5).sha256[:16]


def test_a_problem_ties_nothing_together():
    given = [row("a", 1, "p", "t1", problem="x"), row("a", 1, "q", "t2", problem="x")]
    assert [one.group for one in groups(given)] == ["t1", "t2"]


def test_one_image_under_two_labels_is_set_aside_everywhere():
    given = [row("a", 1, "p"), row("b", 1, "q"), row("a", 1, "r"), row("b", 2, "s")]
    found = {one.id: one.problem for one in set_aside(given)}
    assert found == {
        "p": "the same image stands under another label: b (q)",
        "q": "the same image stands under another label: a (p)",
        "r": "the same image stands under another label: b (q)",
        "s": "",
    }


def test_a_leak_from_the_sources_test_part_is_set_aside_in_training():
    given = [
        row("a", 1, "p", part="train"),
        row("a", 1, "q", part="test"),
        row("a", 1, "r", part="validation"),
        row("a", 2, "s", part="train"),
        row("a", 2, "t", part="validation"),
        row("a", 3, "u", part="train"),
        row("a", 3, "v", part="train"),
    ]
    found = {one.id: one.problem for one in set_aside(given)}
    leak = "the same image stands in the source's {} part: {}"
    assert found == {
        "p": leak.format("test", "q"),
        "q": "",
        "r": leak.format("test", "q"),
        "s": leak.format("validation", "t"),
        **dict.fromkeys("tuv", ""),
    }
    unreadable = [replace(one, problem="broken") for one in given]
    assert set_aside(unreadable) == unreadable


def test_a_chain_of_tracks_that_share_images_is_one_group():
    n = 300
    order = random.Random(0).sample(range(n), n)
    given = [
        row("a", link, f"{link}.{end}", f"t{link + end:03}") for link in order for end in (0, 1)
    ]
    assert {one.group for one in groups(given)} == {"t000"}


def test_images_whose_digests_begin_alike_are_one_group_and_two_contents():
    one, other = row("a", 1), row("a", 2)
    other = replace(other, sha256=one.sha256[:16] + other.sha256[16:])
    assert len({found.group for found in groups([one, other])}) == 1
    assert set_aside([one, replace(other, label="b")])[1].problem == ""
    zeros = [replace(one, id=f"{i}", sha256=f"{i}".ljust(64, "0")) for i in range(3)]
    assert numbers(zeros).content.tolist() == [0, 1, 2]  # a string's final zeros are digits too
