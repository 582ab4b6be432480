"""The rows of all views in any order, read from the packs as they are asked for."""

import numpy as np

from transfer.packs.gathering import Gatherer


class Rows:
    """The rows of all views with their labels: row v N + i is view v of image i."""

    def __init__(self, views, labels):
        self._labels, self._views = labels, [Gatherer(view) for view in views]

    def __len__(self):
        return len(self._views) * len(self._labels)

    def at(self, numbers):
        """(float32 [n, D], labels [n]) of the rows of these sorted `numbers`."""
        n = len(self._labels)
        ends = np.searchsorted(numbers, [v * n for v in range(1, len(self._views))])
        parts = zip(self._views, np.split(numbers, ends), strict=True)
        found = [view.rows(part - v * n) for v, (view, part) in enumerate(parts)]
        return found[0] if len(found) == 1 else np.concatenate(found), self._labels[numbers % n]
