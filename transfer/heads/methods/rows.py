"""The rows of all views as if they were one array, read from the packs as they are asked for."""

import numpy as np

from transfer.packs.gathering import Gatherer


class Stacked:
    """Rows [V N, D] of V views, each [N, D], which may be memory-mapped: row v N + i is view v of
    image i.  Taken by a slice of consecutive rows or by sorted numbers, float32 [n, D]."""

    def __init__(self, views):
        n, d = views[0].shape
        self.shape = (len(views) * n, d)
        self._views, self._gatherers = views, [Gatherer(view) for view in views]

    def __len__(self):
        return len(self._views) * len(self._views[0])

    def __getitem__(self, which):
        if isinstance(which, slice):
            start, stop, _ = which.indices(len(self))
            found = self._slices(start, stop)
        else:
            found = self._gathered(which)
        return found[0] if len(found) == 1 else np.concatenate(found)

    def _slices(self, start, stop):
        n = len(self._views[0])
        of_views = range(start // n, max(start, stop - 1) // n + 1)
        parts = [slice(max(start - v * n, 0), min(stop - v * n, n)) for v in of_views]
        pairs = zip(of_views, parts, strict=True)
        return [np.asarray(self._views[v][part], np.float32) for v, part in pairs]

    def _gathered(self, numbers):
        n = len(self._views[0])
        ends = np.searchsorted(numbers, [v * n for v in range(1, len(self._views))])
        parts = zip(self._gatherers, np.split(numbers, ends), strict=True)
        return [view.rows(part - v * n) for v, (view, part) in enumerate(parts)]


class Transformed:
    """Rows after a transform, which is applied as they are asked for."""

    def __init__(self, rows, transform):
        self.shape, self._rows, self._transform = rows.shape, rows, transform

    def __len__(self):
        return len(self._rows)

    def __getitem__(self, which):
        return self._transform(self._rows[which])
