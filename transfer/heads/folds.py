"""Folds: the training images dealt into parts, of which each is held out once.

Images of one group (a track, copies of one picture) stay together, or a head would be judged by
images that it has all but seen.
"""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

NEVER = -1  # fold of an image that stays in every training part
WORKERS = 2  # folds that are fitted at once: each by one BLAS thread, so this decides no byte


@dataclass(frozen=True, eq=False)
class Folds:
    """held: integers [N], the fold that holds an image out, or NEVER; number: how many folds; by:
    group or image; note: "", or a sentence on what the data would not allow."""

    held: np.ndarray
    number: int
    by: str
    note: str = ""

    def about(self):
        """The same as plain values, without the images."""
        never = int((self.held == NEVER).sum())
        about = {"folds": self.number, "folds_by": self.by}
        return about | ({"never_held_out": never} if never else {})


def each(number, fit):
    """[fit(0), ..., fit(number - 1)], some of them at once."""
    with ThreadPoolExecutor(WORKERS) as pool:
        return list(pool.map(fit, range(number)))


def dealt(labels, groups, most, seed):
    """The Folds of N images: at most `most`, stratified by class, whole groups.

    labels: integers [N]; groups: strings or integers [N], or None where each image is alone.
    There are as many folds as the class with the fewest groups has groups.  Where a class has one
    group alone, groups are ignored; where a class has one image, it is in every training part.
    A group whose images are of several classes counts as one of its commonest class.
    """
    labels = np.asarray(labels)
    alone = np.arange(len(labels))
    by, number, note = "group", 0, ""
    unit = alone if groups is None else np.unique(groups, return_inverse=True)[1].reshape(-1)
    names = [str(i) for i in alone] if groups is None else [str(g) for g in np.unique(groups)]
    if groups is None or len(names) == len(labels):
        by = "image"
    counts = _units_by_class(unit, labels)
    if by == "group" and counts.min() < 2:
        few = int((counts < 2).sum())
        note = (
            f"{few} of {len(counts)} classes have training images of one group alone, so folds "
            "are drawn by image, and images of one group stand on both sides"
        )
        by, unit, names = "image", alone, _names_of_images(groups, unit, names)
        counts = _units_by_class(unit, labels)
    lone = counts < 2
    if lone.any():
        note += "; " if note else ""
        note += f"{int(lone.sum())} of {len(counts)} classes have one image, never held out"
    if not lone.all():
        number = int(min(most, counts[~lone].min()))
    held = _deal(labels, unit, names, number, seed)
    if number and number < most and not note:
        few = int((counts < most).sum())
        note = f"{few} of {len(counts)} classes have fewer than {most} {by}s: {number} folds"
    return Folds(held, number, by, note)


def _class_of_unit(unit, labels):
    """The commonest label of each unit [U], the smallest where several are."""
    pairs, counts = np.unique(np.stack([unit, labels]), axis=1, return_counts=True)
    order = np.lexsort((pairs[1], -counts, pairs[0]))
    first = np.unique(pairs[0][order], return_index=True)[1]
    return pairs[1][order][first]


def _units_by_class(unit, labels):
    """How many units each class that has images has [classes]; a mixed unit is of one class."""
    found = np.bincount(_class_of_unit(unit, labels))
    present = np.unique(labels)
    return np.pad(found, (0, max(0, present[-1] + 1 - len(found))))[present]


def _names_of_images(groups, unit, names):
    """A name for each image that does not depend on the order of groups: group and rank in it."""
    order = np.argsort(unit, kind="stable")
    starts = np.searchsorted(unit[order], np.arange(len(names)))
    rank = np.empty(len(unit), np.int64)
    rank[order] = np.arange(len(unit)) - starts[unit[order]]
    return [f"{names[u]}\n{r}" for u, r in zip(unit.tolist(), rank.tolist(), strict=True)]


# Largest first to the emptiest is the greedy rule of Graham 1969, "Bounds on Multiprocessing Timing
# Anomalies": no fold is fuller than the emptiest by more than one group.  Equals are ordered by a
# hash of seed and name, so that neither the order of rows nor other groups decide.
def _deal(labels, unit, names, number, seed):
    held = np.full(len(names), NEVER)
    sizes, classes = np.bincount(unit, minlength=len(names)), _class_of_unit(unit, labels)
    hashes = [hashlib.sha256(f"{seed}\n{name}".encode()).hexdigest() for name in names]
    everywhere = np.zeros(max(number, 1), np.int64)  # images in each fold
    for c in np.unique(classes):
        members = np.flatnonzero(classes == c).tolist()
        if len(members) < 2 or not number:
            continue
        here = np.zeros(number, np.int64)  # of class c
        for u in sorted(members, key=lambda u: (-sizes[u], hashes[u])):
            fold = int(np.lexsort((everywhere, here))[0])
            held[u] = fold
            here[fold] += sizes[u]
            everywhere[fold] += sizes[u]
    return held[unit]
