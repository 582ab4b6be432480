"""Features of pictures by their content: from the store, and computed where it lacks them."""

import time

import numpy as np

from transfer.features.store.stock import Stock, pieces

CLAIM = 128  # pictures claimed together: few enough to share well, many enough to cost nothing
# A commit is of so many features, or so long after the last.  In a large store each commit rewrites
# most pages of its index, so with 256 of them one takes twice to three times as long (measured).
COMMIT, SECONDS = 2048, 1.0
BLOCK = 1 << 22  # bytes of features read in one go
POLL = 0.1  # seconds between looks at what other processes are computing


class Supply:
    """The features of M pictures by the recipes `keys`, one of each view; a picture is known by its
    place, 0..M-1, and a view by its number, 0..V-1.

    contents: V32 [M], the sha256 of each; no two are the same.  compute: called with the places to
    compute of each view, a list of V ascending int64 [n], and a function that gives of a place a
    list of the views that are still to be computed; yields ([(view, place)], [n, D]).  So
    what several views lack of one picture is computed together.  folder: where features lie
    meanwhile that the store can't keep.  wanted: by view, the ascending places of the pictures that
    it is wanted of, or None for all; None: all of all.
    """

    def __init__(self, store, keys, contents, compute, folder, wanted=None):
        self._stocks = [Stock(store, key, contents, folder) for key in keys]
        self._compute = compute
        self._wanted = wanted or [None] * len(keys)

    @property
    def asked(self):
        """How many features are wanted, each view of a picture counted once."""
        return sum(
            stock.count if places is None else len(places)
            for stock, places in zip(self._stocks, self._wanted, strict=True)
        )

    @property
    def computed(self):
        """How many features this run has computed, each view of a picture counted once."""
        return sum(stock.computed for stock in self._stocks)

    def __enter__(self):
        return self

    def __exit__(self, *fault):
        for stock in self._stocks:
            stock.close()

    def fill(self):
        """Computes what the store lacks, shared with other processes that do the same; returns when
        all is there."""
        lacking = self._each(Stock.lacking, self._wanted)
        if any(map(len, lacking)):
            claims = [
                _Claims(places, stock.claimed)
                for stock, places in zip(self._stocks, lacking, strict=True)
            ]
            self._run(lacking, claims)
        while any(map(len, lacking := self._each(Stock.lacking, lacking))):
            claimed = self._each(Stock.claimed, lacking)
            mine = [places[own] for places, own in zip(lacking, claimed, strict=True)]
            if any(map(len, mine)):  # of a process that was killed, or of one that failed
                self._run(mine, map(_Listed, mine))
            else:
                time.sleep(POLL)

    def blocks(self, view, places, length):
        """Yields the features of `view` of the pictures at `places`, integers [n], in their order
        as [.., D] of their recipe's dtype, D = `length`, a few MB at a time.  What has gone from
        the store since `fill` is computed again."""
        stock = self._stocks[view]
        for block in pieces(places, max(1, BLOCK // (stock.dtype.itemsize * length))):
            out = np.empty((len(block), length), stock.dtype)
            while not (found := stock.read(block, out)).all():
                # With all else that has gone, since the archive is read once for them together.
                gone = self._each(Stock.lacking, self._wanted)
                gone[view] = np.union1d(gone[view], block[~found])
                self._run(gone, map(_Listed, gone), keep=False)
            yield out

    def _each(self, ask, of_views):
        """[ask(stock, places)] of each view and its places in `of_views`."""
        return [ask(*pair) for pair in zip(self._stocks, of_views, strict=True)]

    def _run(self, lacking, asked, keep=True):
        """Computes `lacking`, places by view; asked: by view, a function that says of a place
        whether it is to be computed."""
        asked = list(asked)

        def views_of(place):
            return [view for view, is_mine in enumerate(asked) if is_mine(place)]

        for rows, features in _commits(self._compute(lacking, views_of)):
            for view, stock in enumerate(self._stocks):
                mine = [row for row, (other, _) in enumerate(rows) if other == view]
                if mine:
                    places = [rows[row][1] for row in mine]
                    found = features if len(mine) == len(rows) else features[mine]  # else a copy
                    stock.put(places, found, keep)


class _Listed:
    """Whether a picture is among `places`, ascending."""

    def __init__(self, places):
        self._places = places

    def row(self, place):
        """Where it stands among them, or None."""
        row = np.searchsorted(self._places, place)
        return row if row < len(self._places) and self._places[row] == place else None

    def __call__(self, place):
        return self.row(place) is not None


class _Claims(_Listed):
    """Whether a picture is this process's to compute; claimed by neighbours in `lacking`, ascending
    places, when the first of them is asked for."""

    def __init__(self, lacking, claimed):
        super().__init__(lacking)
        self._claimed = claimed
        self._mine = np.zeros(len(lacking), bool)
        self._asked = np.zeros(len(lacking) // CLAIM + 1, bool)

    def __call__(self, place):
        row = self.row(place)
        if row is None:
            return False
        group = row // CLAIM
        if not self._asked[group]:
            neighbours = slice(group * CLAIM, (group + 1) * CLAIM)
            self._mine[neighbours] = self._claimed(self._places[neighbours])
            self._asked[group] = True
        return self._mine[row]


def _commits(computed):
    """Joins pieces of ([(view, place)], [n, D]) to such as are worth a transaction."""
    rows, found, since = [], [], time.monotonic()
    for some, features in computed:
        rows += some
        found.append(features)
        if len(rows) >= COMMIT or time.monotonic() - since >= SECONDS:
            yield rows, np.concatenate(found)
            rows, found, since = [], [], time.monotonic()
    if rows:
        yield rows, np.concatenate(found)
