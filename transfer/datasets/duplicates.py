"""Equal images: which rows stay together, and which must be set aside."""

from array import array

import numpy as np

from transfer.datasets.draft import NONE, OWN
from transfer.datasets.index import SET_ASIDE
from transfer.datasets.runs import firsts, lasts, starts

# By part, in the order of OWN.  One that is judged later keeps its copy: test before validation
# before what is trained on.
JUDGED = np.array([{"test": 2, "validation": 1}.get(part, 0) for part in OWN], np.int8)


def rivals(rows):
    """int32 [N]: the row that each good one of Numbers `rows` contradicts or leaks into, or NONE.

    Equal content under two labels: no row of it is usable; the rival is the first, by label and id,
    of another label.  Equal content in two parts of the source: only the copies of the part that is
    judged last stay; the rival is the last of them by id.
    """
    found = np.full(len(rows), NONE, np.int32)
    copies = _copies(rows)
    judged = JUDGED[rows.part[copies]]
    order = np.lexsort((rows.id[copies], judged, rows.content[copies]))
    copies, judged = copies[order], judged[order]
    begin = starts(rows.content[copies])
    last = lasts(begin)
    leaks = judged < judged[last]
    found[copies[leaks]] = copies[last[leaks]]

    copies = copies[np.lexsort((rows.id[copies], rows.label[copies], rows.content[copies]))]
    first = copies[firsts(begin)]  # contents begin where they did in the other order
    content = np.cumsum(begin) - 1
    others = np.flatnonzero(starts(rows.content[copies], rows.label[copies]) & ~begin)[::-1]
    other = np.full(begin.sum(), NONE, np.int32)  # [contents]
    other[content[others]] = copies[others]  # backwards, so that the first of them stays
    rival = np.where(rows.label[copies] == rows.label[first], other[content], first)
    contradicts = rival != NONE
    found[copies[contradicts]] = rival[contradicts]
    return found


def _copies(rows):
    """The good rows whose content another good one has too, int32 in their order."""
    good = np.flatnonzero(~rows.bad).astype(np.int32)
    content = rows.content[good]
    return good[np.bincount(content)[content] > 1]


def sentence(label, rival):
    """The problem of an image of `label` that has the Row `rival`."""
    if label != rival.label:
        return f"{SET_ASIDE} under another label: {rival.label} ({rival.id})"
    return f"{SET_ASIDE} in the source's {rival.split} part: {rival.id}"


def groups(rows):
    """int32 [N]: the number of what must stay together, for Numbers `rows`.

    A group is a track, or an image alone, and those that share an image of one label are one.  It
    has the number of its first track by name, or, without a track, that of the content's prefix
    after those of all T tracks.  Rows with a problem are on their own: their images are in no part,
    so they tie nothing together.
    """
    tracks = rows.track.max(initial=NONE) + 1
    tying = np.flatnonzero((rows.track != NONE) & ~rows.bad)
    first = _tied(tracks, rows.prefix[tying], rows.track[tying])
    found = rows.prefix + tracks
    by_content = np.full(rows.prefix.max(initial=0) + 1, NONE, np.int32)
    by_content[rows.prefix[tying]] = first[rows.track[tying]]
    by_content = by_content[rows.prefix]
    found[by_content != NONE] = by_content[by_content != NONE]
    tracked = rows.track != NONE
    found[tracked] = first[rows.track[tracked]]
    return found


def _tied(tracks, content, track):
    """int32 [tracks] of the first of those that each is tied to: the ones that share a content.

    content, track: [n], what stands together.
    """
    order = np.lexsort((track, content))
    content, track = content[order], track[order]
    shared = np.flatnonzero(~starts(content) & starts(content, track))
    parent = array("i", range(tracks))

    def root(node):
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for one, other in zip(track[shared - 1], track[shared], strict=True):
        low, high = sorted((root(one), root(other)))
        parent[high] = low
    return np.fromiter(map(root, range(tracks)), np.int32, tracks)
