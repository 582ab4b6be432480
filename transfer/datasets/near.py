"""Near-duplicates: images that show the same without being the same bytes, joined and reported.

Images of one class and of one part of the source join one group, unless a track names theirs: of
the mirror's signs the nearest ones of two tracks are other signs, so tracks stay as they are.  What
is near across labels or across parts of the source is told of alone.  Equal bytes, and what has one
group already, is no near-duplicate of each other here.
"""

import csv
from dataclasses import dataclass

import numpy as np

from transfer.datasets import nearness
from transfer.datasets.draft import NONE
from transfer.datasets.duplicates import JUDGED
from transfer.datasets.runs import BLOCK
from transfer.writing import replacing

COLUMNS = ("id", "near", "distance", "label", "near_label", "split", "near_split")


@dataclass(frozen=True, eq=False)
class Near:
    """one, other: int32 [P] of rows, in the order of their ids, that are `distance` uint8 [P] bits
    apart: so many pairs that every set of near images hangs together by them, and so does what of
    it has one label and part.  sets: how many there are, labels, parts: how many of these span
    labels and parts of the source.  joined: int32 [groups], the group that each is of with them.
    """

    one: np.ndarray
    other: np.ndarray
    distance: np.ndarray
    sets: int
    labels: int
    parts: int
    joined: np.ndarray


def found(rows, codes, groups):
    """The Near images of Numbers `rows` with fingerprints `codes` (as of Draft.codes).

    groups: int32 [N], as of duplicates.groups.
    """
    nodes = _nodes(rows, codes)
    tracked = groups[nodes] <= rows.track.max(initial=NONE)
    part = JUDGED[rows.part]  # which all copies of a good row share
    kind = np.where(tracked, NONE, rows.label[nodes] * len(JUDGED) + part[nodes])
    kind = kind.astype(np.int32)
    codes = np.stack([codes[nodes, word] for word in (0, 1)]).astype(np.uint64, copy=False)
    order = np.lexsort((rows.id[nodes], codes[1], codes[0], kind)).astype(np.int32)
    nodes, kind = nodes[order], kind[order]
    codes = codes[:, order]
    links = nearness.links(codes, kind, groups[nodes])

    everyone = np.arange(len(nodes), dtype=np.int32)
    root = links.sets.roots(everyone)
    near = np.zeros(len(nodes), bool)
    near[root[links.one]] = True  # by root: whether its set holds any pair

    def spanning(column):
        differs = column[nodes] != column[nodes[root]]
        return len(np.unique(root[differs & near[root]]))

    kin = links.kin.roots(everyone)
    free = np.flatnonzero(kind != NONE)
    least = groups[nodes]
    np.minimum.at(least, kin[free], groups[nodes[free]])
    joined = np.arange(groups.max(initial=NONE) + 1, dtype=np.int32)
    joined[groups[nodes[free]]] = least[kin[free]]

    one, other = nodes[links.one], nodes[links.other]
    swapped = rows.id[one] > rows.id[other]
    one, other = np.where(swapped, other, one), np.where(swapped, one, other)
    order = np.lexsort((rows.id[other], rows.id[one]))
    return Near(
        one[order],
        other[order],
        links.distance[order],
        sets=int(near.sum()),
        labels=spanning(rows.label),
        parts=spanning(part),
        joined=joined,
    )


def _nodes(rows, codes):
    """int32 [M]: of each content of good rows with a fingerprint the row that is first by id."""
    good = np.flatnonzero(~rows.bad & codes.any(1)).astype(np.int32)
    good = good[np.lexsort((rows.id[good], rows.content[good]))]
    return good[np.unique(rows.content[good], return_index=True)[1]]


def note(near, name):
    """A sentence on the Near images of the dataset `name`, or "" where there are none."""
    if not near.sets:
        return ""
    return (
        f"{name} has {near.sets} sets of near-duplicates, {near.labels} of them across labels and "
        f"{near.parts} across parts of the source"
    )


def write(path, judged):
    """Writes the pairs of a Judged index as CSV (COLUMNS); the same pairs give the same bytes."""
    near = judged.near
    with replacing(path) as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        for start in range(0, len(near.one), BLOCK):
            block = slice(start, start + BLOCK)
            pairs = (near.one[block], near.other[block], near.distance[block])
            for n, m, distance in zip(*(part.tolist() for part in pairs), strict=True):
                row, other = judged.row(n), judged.row(m)
                table.writerow(
                    [row.id, other.id, distance, row.label, other.label, row.split, other.split]
                )
