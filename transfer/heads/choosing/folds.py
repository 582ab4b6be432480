"""Folds: the training images dealt into parts, of which each is held out once.

Images of one group (a track, copies of one picture) stay together, or a head would be judged by
images that it has all but seen.
"""

import hashlib
from dataclasses import dataclass

import numpy as np

NEVER = -1  # fold of an image that stays in every training part


@dataclass(frozen=True, eq=False)
class Folds:
    """held: integers [N], the fold that holds an image out, or NEVER; number: how many folds; by:
    group or image; shorter: classes of fewer units than folds, each held out in as many folds as it
    has; ungrouped: classes of one group, whose images are dealt one by one; lone: classes of one
    image, never held out."""

    held: np.ndarray
    number: int
    by: str
    shorter: int = 0
    ungrouped: int = 0
    lone: int = 0

    def about(self):
        """The same as plain values, without the images."""
        exceptions = {
            "classes_in_fewer_folds": self.shorter,
            "classes_without_groups": self.ungrouped,
            "classes_never_held_out": self.lone,
        }
        about = {"folds": self.number, "folds_by": self.by}
        return about | {name: count for name, count in exceptions.items() if count}

    @property
    def note(self):
        """A sentence on what the data would not allow, or ""."""
        parts = (
            (self.shorter, f"in fewer than {self.number} folds, having fewer {self.by}s"),
            (self.ungrouped, "image by image, having one group, which stands on both sides"),
            (self.lone, "never, having one image"),
        )
        told = [f"{count} {how}" for count, how in parts if count]
        return f"classes held out otherwise: {'; '.join(told)}" if told else ""


def dealt(labels, groups, most, seed):
    """The Folds of N images: at most `most`, stratified by class, whole groups.

    labels: integers [N]; groups: strings or integers [N], or None where each image is alone.
    A class of fewer groups than folds is held out in as many folds as it has groups; where it has
    one group alone, its images are dealt one by one; where it has one image, that is in every
    training part.  A group whose images are of several classes counts as one of its commonest.
    """
    labels = np.asarray(labels)
    names = np.arange(len(labels)).astype(str) if groups is None else np.asarray(groups).astype(str)
    by = "group" if len(np.unique(names)) < len(names) else "image"
    present, images = np.unique(labels, return_counts=True)
    one_group = present[(_units(names, labels) < 2) & (images > 1)]
    if len(one_group):
        names = np.where(np.isin(labels, one_group), _names_of_images(names), names)
    counts = _units(names, labels)  # [classes]
    apart = counts > 1
    number = int(min(most, counts.max(initial=0))) if apart.any() else 0
    if len(one_group) == np.count_nonzero(apart):
        by = "image"
    return Folds(
        _deal(labels, names, number, seed),
        number,
        by,
        shorter=int((apart & (counts < number)).sum()),
        ungrouped=len(one_group),
        lone=int((~apart).sum()),
    )


def _units(names, labels):
    """How many units each class that has images has [classes]; a mixed unit is of one class."""
    unit = np.unique(names, return_inverse=True)[1]
    found = np.bincount(_class_of_unit(unit, labels), minlength=labels.max(initial=0) + 1)
    return found[np.unique(labels)]


def _class_of_unit(unit, labels):
    """The commonest label of each unit [U], the smallest where several are."""
    pairs, counts = np.unique(np.stack([unit, labels]), axis=1, return_counts=True)
    order = np.lexsort((pairs[1], -counts, pairs[0]))
    first = np.unique(pairs[0][order], return_index=True)[1]
    return pairs[1][order][first]


def _names_of_images(names):
    """A name for each image that does not depend on the order of groups: group and rank in it."""
    order = np.argsort(names, kind="stable")
    first = np.searchsorted(names[order], names[order])
    found = np.empty(len(names), object)
    for place, row in enumerate(order.tolist()):
        found[row] = f"{names[row]}\n{place - first[place]}"
    return found.astype(str)


# Largest first to the emptiest is the greedy rule of Graham 1969, "Bounds on Multiprocessing Timing
# Anomalies": no fold is fuller than the emptiest by more than one group.  Equals are ordered by a
# hash of seed and name, so that neither the order of rows nor other groups decide.
def _deal(labels, names, number, seed):
    named, unit = np.unique(names, return_inverse=True)
    held = np.full(len(named), NEVER)
    sizes, classes = np.bincount(unit), _class_of_unit(unit, labels)
    hashes = [hashlib.sha256(f"{seed}\n{name}".encode()).hexdigest() for name in named.tolist()]
    everywhere = np.zeros(max(number, 1), np.int64)  # images in each fold
    for c in np.unique(classes):
        members = np.flatnonzero(classes == c).tolist()
        if len(members) < 2:
            continue
        here = np.zeros(number, np.int64)  # of class c
        for u in sorted(members, key=lambda u: (-sizes[u], hashes[u])):
            fold = int(np.lexsort((everywhere, here))[0])
            held[u] = fold
            here[fold] += sizes[u]
            everywhere[fold] += sizes[u]
    return held[unit]
