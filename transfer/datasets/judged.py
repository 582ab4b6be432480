"""The rows of an index once they are judged: their text as drafted, with what was found of them."""

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np

from transfer.datasets import duplicates, splits
from transfer.datasets.draft import NONE, Draft, Numbers
from transfer.datasets.index import Row
from transfer.datasets.near import Near
from transfer.datasets.runs import BLOCK


@dataclass
class Judged:
    """The Rows of an index, made of their draft each time one goes through them; arrays are [N]."""

    draft: Draft
    rows: Numbers
    rivals: np.ndarray  # as of duplicates.rivals
    groups: np.ndarray  # as of duplicates.groups, near-duplicates joined where asked for
    near: Near
    splits: np.ndarray | None = None  # as of splits.assign; no Row is made before it is there

    def __iter__(self):
        # A track that goes by another's name, or a rival, is often that of the row before, too.
        text = lru_cache(1024)(self.draft.row)
        numbers = (self.splits, self.groups, self.rows.track, self._alone, self.rivals)
        for texts, split, group, track, alone, rival in zip(
            self.draft.texts(), *map(_each, numbers), strict=True
        ):
            id_, member, label, name, sha256, problem = texts
            if group == alone:
                name = sha256[:16]
            elif group != track:
                name = self._name(group, text)
            if rival != NONE:
                problem = duplicates.sentence(label, text(rival))
            yield Row(id_, member, label, splits.SPLITS[split], name, sha256, problem)

    def row(self, n):
        """The nth Row as drafted, with its part."""
        return replace(self.draft.row(n), split=splits.SPLITS[self.splits[n]])

    def group(self, n):
        """The name of the nth row's group."""
        return self._name(self.groups[n], self.draft.row)

    def told(self, n):
        """The nth row's id and problem, for a sentence."""
        row, rival = self.draft.row(n), self.rivals[n]
        if rival == NONE:
            return f"{row.id}: {row.problem}"
        return f"{row.id}: {duplicates.sentence(row.label, self.draft.row(rival))}"

    def _name(self, group, text):
        row = text(int(self._named[group]))
        return row.group if group < self._tracks else row.sha256[:16]

    @property
    def _tracks(self):
        return self.rows.track.max(initial=NONE) + 1

    @cached_property
    def _alone(self):
        """int32 [N]: the group of each row were it neither of a track nor near another."""
        return self.rows.prefix + self._tracks

    @cached_property
    def _named(self):
        """int32 [groups]: a row that names each."""
        found = np.empty(self._alone.max(initial=NONE) + 1, np.int32)
        found[self._alone] = np.arange(len(self.rows), dtype=np.int32)
        tracked = np.flatnonzero(self.rows.track != NONE)
        found[self.rows.track[tracked]] = tracked
        return found


def _each(array):
    """Yields the values of `array` as plain numbers, made in blocks for speed."""
    for start in range(0, len(array), BLOCK):
        yield from array[start : start + BLOCK].tolist()
