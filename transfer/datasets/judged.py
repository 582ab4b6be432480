"""The rows of an index once they are judged: their text as drafted, with what was found of them."""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from transfer.datasets import duplicates, splits
from transfer.datasets.draft import NONE, Draft, Numbers
from transfer.datasets.index import Row
from transfer.datasets.runs import BLOCK


@dataclass
class Judged:
    """The Rows of an index, made of their draft each time one goes through them; arrays are [N]."""

    draft: Draft
    rows: Numbers
    rivals: np.ndarray  # as of duplicates.rivals
    groups: np.ndarray  # as of duplicates.groups
    splits: np.ndarray | None = None  # as of splits.assign; no Row is made before it is there

    def __iter__(self):
        # A track that goes by another's name, or a rival, is often that of the row before, too.
        text = lru_cache(1024)(self.draft.row)
        numbers = (self.splits, self.groups, self.rows.track, self.rivals)
        for texts, split, group, track, rival in zip(
            self.draft.texts(), *map(_each, numbers), strict=True
        ):
            id_, member, label, name, sha256, problem = texts
            if group != track:
                name = self._name(group, sha256, text)
            if rival != NONE:
                problem = duplicates.sentence(label, text(rival))
            yield Row(id_, member, label, splits.SPLITS[split], name, sha256, problem)

    def group(self, n):
        """The name of the nth row's group."""
        return self._name(self.groups[n], self.draft.row(n).sha256, self.draft.row)

    def told(self, n):
        """The nth row's id and problem, for a sentence."""
        row, rival = self.draft.row(n), self.rivals[n]
        if rival == NONE:
            return f"{row.id}: {row.problem}"
        return f"{row.id}: {duplicates.sentence(row.label, self.draft.row(rival))}"

    def _name(self, group, sha256, text):
        return text(self._named[group]).group if group < len(self._named) else sha256[:16]

    @cached_property
    def _named(self):
        """int32 [tracks]: a row of each."""
        tracked = np.flatnonzero(self.rows.track != NONE)
        found = np.empty(self.rows.track.max(initial=NONE) + 1, np.int32)
        found[self.rows.track[tracked]] = tracked
        return found


def _each(array):
    """Yields the values of `array` as plain numbers, made in blocks for speed."""
    for start in range(0, len(array), BLOCK):
        yield from array[start : start + BLOCK].tolist()
