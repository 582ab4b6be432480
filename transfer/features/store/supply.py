"""Features of pictures by their content: from the store, and computed where it lacks them."""

import time

import numpy as np

from transfer.features.store.scratch import Scratch

CLAIM = 128  # pictures claimed together: few enough to share well, many enough to cost nothing
# A commit is of so many pictures, or so long after the last.  In a large store each commit rewrites
# most pages of its index, so with 256 pictures one takes twice to three times as long (measured).
COMMIT, SECONDS = 2048, 1.0
BLOCK = 1 << 22  # bytes of features read in one go
LOOK = 4096  # pictures asked for in one transaction
POLL = 0.1  # seconds between looks at what other processes are computing


class Supply:
    """The features of M pictures by recipe `key`; a picture is known by its place, 0..M-1.

    contents: V32 [M], the sha256 of each; no two are the same.  compute: called with the places to
    compute, ascending int64 [n], and a function that says of a place whether it is still to be
    computed; yields ([place], float32 [n, D]).  folder: where features lie meanwhile that the store
    can't keep.
    """

    def __init__(self, store, key, contents, compute, folder):
        self._store, self._key, self._all, self._compute = store, key, contents, compute
        self._computed = np.zeros(len(contents), bool)
        self._scratch = Scratch(folder, len(contents))

    @property
    def computed(self):
        """How many pictures this run has computed, each counted once."""
        return int(self._computed.sum())

    def __enter__(self):
        return self

    def __exit__(self, *fault):
        self._scratch.close()

    def fill(self):
        """Computes what the store lacks, shared with other processes that do the same; returns when
        all is there."""
        lacking = self._lacking(np.arange(len(self._all)))
        if len(lacking):
            self._run(lacking, _Claims(lacking, self._claimed))
        while len(lacking := self._lacking(lacking)):
            mine = self._claimed(lacking)
            if mine.any():  # of a process that was killed, or of one that failed
                self._run(lacking[mine], lambda place: True)
            else:
                time.sleep(POLL)

    def blocks(self, places, length):
        """Yields the features of the pictures at `places`, integers [n], in their order as float32
        [.., D], D = `length`, a few MB at a time.  What has gone from the store since `fill` is
        computed again."""
        for block in _pieces(places, max(1, BLOCK // (4 * length))):
            out = np.empty((len(block), length), np.float32)
            found = self._store.read(self._key, self._contents(block), out)
            if not (found | self._scratch.holds(block)).all():
                # With all else that has gone, since the archive is read once for them together.
                gone = self._lacking(np.arange(len(self._all)))
                gone = np.union1d(gone, block[~found & ~self._scratch.holds(block)])
                self._run(gone, lambda place: True, keep=False)
            for row in np.flatnonzero(~found):
                out[row] = self._scratch.get(block[row], length)
            yield out

    def _contents(self, places):
        return self._all[places].tolist()  # bytes

    def _lacking(self, places):
        """Those of `places` whose features are neither in the store nor in the scratch file."""
        lacks = [np.empty(0, np.int64)]
        for piece in _pieces(places[~self._scratch.holds(places)], LOOK):
            contents = self._contents(piece)
            missing = set(self._store.missing(self._key, contents))
            lacks.append(piece[[content in missing for content in contents]])
        return np.concatenate(lacks)

    def _claimed(self, places):
        """Bool [n]: which of `places` are now this process's to compute."""
        mine = [np.empty(0, bool)]
        for piece in _pieces(places, LOOK):
            contents = self._contents(piece)
            claimed = self._store.claim(self._key, contents)
            mine.append(np.array([content in claimed for content in contents]))
        return np.concatenate(mine)

    def _run(self, lacking, is_mine, keep=True):
        for places, features in _commits(self._compute(lacking, is_mine)):
            self._computed[places] = True
            contents = self._contents(places)
            if not (keep and self._store.write(self._key, contents, features)):
                self._scratch.put(places, features)


class _Claims:
    """Whether a picture is this process's to compute; claimed by neighbours in `lacking`, ascending
    places, when the first of them is asked for."""

    def __init__(self, lacking, claimed):
        self._lacking, self._claimed = lacking, claimed
        self._mine = np.zeros(len(lacking), bool)
        self._asked = np.zeros(len(lacking) // CLAIM + 1, bool)

    def __call__(self, place):
        row = np.searchsorted(self._lacking, place)
        group = row // CLAIM
        if not self._asked[group]:
            neighbours = slice(group * CLAIM, (group + 1) * CLAIM)
            self._mine[neighbours] = self._claimed(self._lacking[neighbours])
            self._asked[group] = True
        return self._mine[row]


def _pieces(places, step):
    return (places[start : start + step] for start in range(0, len(places), step))


def _commits(computed):
    """Joins pieces of ([place], float32 [n, D]) to such as are worth a transaction."""
    places, pieces, since = [], [], time.monotonic()
    for some, features in computed:
        places += some
        pieces.append(features)
        if len(places) >= COMMIT or time.monotonic() - since >= SECONDS:
            yield places, np.concatenate(pieces)
            places, pieces, since = [], [], time.monotonic()
    if places:
        yield places, np.concatenate(pieces)
