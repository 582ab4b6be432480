"""The features of pictures by one recipe of one view, wherever they lie."""

import numpy as np

from transfer.features.store.scratch import Scratch

LOOK = 4096  # pictures asked for in one transaction


class Stock:
    """The features of M pictures by recipe `key`, in the store or, where that can't keep them, in a
    scratch file in `folder`; a picture is known by its place, 0..M-1.

    contents: V32 [M], the sha256 of each; no two are the same.
    """

    def __init__(self, store, key, contents, folder):
        self._store, self._key, self._all = store, key, contents
        self._computed = np.zeros(len(contents), bool)
        self._scratch = Scratch(folder, len(contents), key.dtype)

    @property
    def count(self):
        """M."""
        return len(self._all)

    @property
    def dtype(self):
        """Of the features' numbers."""
        return self._key.dtype

    @property
    def computed(self):
        """How many pictures were `put`, each counted once."""
        return int(self._computed.sum())

    def lacking(self, places=None):
        """Those of `places`, all where None, whose features are nowhere; int64 [n], in order."""
        places = np.arange(len(self._all)) if places is None else places
        lacks = [np.empty(0, np.int64)]
        for piece in pieces(places[~self._scratch.holds(places)], LOOK):
            contents = self._contents(piece)
            missing = set(self._store.missing(self._key, contents))
            lacks.append(piece[[content in missing for content in contents]])
        return np.concatenate(lacks)

    def claimed(self, places):
        """Bool [n]: which of `places` are now this process's to compute."""
        mine = [np.empty(0, bool)]
        for piece in pieces(places, LOOK):
            contents = self._contents(piece)
            claimed = self._store.claim(self._key, contents)
            mine.append(np.array([content in claimed for content in contents]))
        return np.concatenate(mine)

    def put(self, places, features, keep=True):
        """Takes `features` [n, D] of the pictures at `places`, a list; keep: whether the
        store is to have them."""
        self._computed[places] = True
        contents = self._contents(places)
        if not (keep and self._store.write(self._key, contents, features)):
            self._scratch.put(places, features)

    def read(self, places, out):
        """Fills rows of `out` [n, D] with the features of the pictures at `places`; bool
        [n], False where they are nowhere any more."""
        found = self._store.read(self._key, self._contents(places), out)
        held = self._scratch.holds(places)
        for row in np.flatnonzero(held & ~found):
            out[row] = self._scratch.get(places[row], out.shape[1])
        return found | held

    def close(self):
        self._scratch.close()

    def _contents(self, places):
        return self._all[places].tolist()  # bytes


def pieces(places, step):
    """Consecutive parts of `places`, of at most `step`."""
    return (places[start : start + step] for start in range(0, len(places), step))
