"""Who is trained on and who is judged by: exact and stable parts of the good rows.

Within a class, units (groups, or images with their exact copies) are ranked by a hash of the seed
and their content, and parts are cut by rank: test, then validation, then training.  So counts are
right to one unit, names and order of files play no part, and an added image moves only units at a
boundary.  Rows come with the source's own part, or "", in `split`.
"""

from fractions import Fraction
from hashlib import sha256
from math import ceil

import numpy as np

from transfer.datasets.draft import OWN
from transfer.datasets.runs import firsts, lasts, ranks, starts
from transfer.errors import InputError

TRAIN, VALIDATION, TEST, UNUSED = "train", "validation", "test", "unused"
SPLITS = (*OWN, UNUSED)  # as numbered in what `assign` gives


def assign(rows, groups, *, by, per_class, validation, test, seed):
    """uint8 [N]: the number in SPLITS of the final split of each of Numbers `rows`: train,
    validation, test, unused (beyond the ceiling `per_class`, a number or "all"), or "" for a row
    with a problem.

    groups: [N], of which each is of one class; by: "group" or "image"; validation, test: fractions
    of a class, of 0 <= f and together below 1, of which a part that the source has itself is not
    drawn.
    Raises InputError for bad fractions and for a class without a training image.
    """
    own = {OWN[part] for part in np.unique(rows.part)}
    cuts = [(part, exact(fraction)) for part, fraction in ((TEST, test), (VALIDATION, validation))]
    cuts = [(part, fraction) for part, fraction in cuts if part not in own]
    if sum(fraction for _, fraction in cuts) >= 1:
        raise InputError(
            f"split.validation {validation} and split.test {test} must be less than 1 together; "
            "they leave nothing to train on"
        )
    split = np.where(rows.bad, _number(""), rows.part).astype(np.uint8)
    judging = np.isin(split, [_number(VALIDATION), _number(TEST)])
    pool = np.flatnonzero(~rows.bad & ~judging).astype(np.int32)
    pool, begin = _ranked(rows, pool, groups if by == "group" else rows.content, seed)
    split[pool] = _cut(rows.label[pool], begin, cuts)
    trained = split[pool] == _number(TRAIN)
    _check_trained(rows, pool, pool[trained])
    if per_class != "all":
        turn = (np.arange(len(pool)) - firsts(begin))[trained]
        split[_surplus(pool[trained], rows.label, turn, per_class)] = _number(UNUSED)
    return split


def exact(fraction):
    """The Fraction that a float's decimal digits say: .1 + .2 must cut where .3 does."""
    return Fraction(str(fraction))


def _number(split):
    return SPLITS.index(split)


def _ranked(rows, pool, unit, seed):
    """The rows of `pool` by class, in it by unit and in a unit by image, in the order of the hash
    of seed and content; and bool [pool], where a unit begins.

    unit: [N]; its content is its least.  Copies have the same hash: ids keep their order the same
    for any order of the files.
    """
    least = np.full(unit.max(initial=0) + 1, np.iinfo(np.int32).max, np.int32)  # [units]
    np.minimum.at(least, unit[pool], rows.content[pool])
    hashed = _hashed(rows, pool, seed)  # [contents]
    by_image = hashed[rows.content[pool]]
    by_unit = hashed[least[unit[pool]]]
    order = np.lexsort((rows.id[pool], by_image, by_unit, rows.label[pool]))
    return pool[order], starts(rows.label[pool[order]], unit[pool[order]])


def _hashed(rows, pool, seed):
    """int32 [contents]: the rank of the hash of `seed` and each content in `pool`."""
    contents, where = np.unique(rows.content[pool], return_index=True)
    hashes = bytearray()
    for row in pool[where]:
        text = f"{seed} {rows.digest[row].tobytes().hex()}"
        hashes += sha256(text.encode()).digest()[:16]  # no two differ only later
    found = np.zeros(rows.content.max(initial=0) + 1, np.int32)
    found[contents] = ranks(np.frombuffer(hashes, np.uint8).reshape(-1, 16))
    return found


def _cut(label, begin, cuts):
    """uint8 [pool]: a unit goes where the middle of its images lies among the n of the class.

    label: [pool], ranked; begin: as of `_ranked`; cuts: (part, Fraction) from the first on.
    """
    of_class = starts(label)
    n = (lasts(of_class) - firsts(of_class) + 1)[of_class]  # [classes]
    before = firsts(begin) - firsts(of_class)
    middle = 2 * before + lasts(begin) - firsts(begin) + 1  # in halves of an image
    found = np.full(len(label), _number(TRAIN), np.uint8)
    for i in reversed(range(len(cuts))):  # a row before two ends belongs to the first
        end = sum(fraction for _, fraction in cuts[: i + 1])
        # A whole number lies before a fraction where it lies before the next whole number.
        ends = np.array([ceil(2 * end * int(images)) for images in n], np.int64)
        found[middle < ends[np.cumsum(of_class) - 1]] = _number(cuts[i][0])
    return found


def _check_trained(rows, pool, trained):
    good = np.bincount(rows.label[~rows.bad])
    lacking = np.flatnonzero(good > 0)
    lacking = lacking[~np.isin(lacking, rows.label[trained])]
    if len(lacking):
        (row, *_) = np.flatnonzero(rows.label == lacking[0])
        raise InputError(
            f"class {rows.row(row).label} has no training image left of "
            f"{np.count_nonzero(rows.label[pool] == lacking[0])} that parts are drawn from; "
            "add images or lower split.validation and split.test"
        )


def _surplus(trained, label, turn, ceiling):
    """Those of `trained` that the ceiling leaves out: of each class one of each unit is taken in
    turn, so that every track gives some.

    trained: ranked rows; turn: which of its unit each is, from 0.
    """
    in_turn = trained[np.lexsort((turn, label[trained]))]  # equal turns stay as ranked
    place = np.arange(len(in_turn)) - firsts(starts(label[in_turn]))
    return in_turn[place >= ceiling]
