"""Features of images by their content: from the store, and computed where it lacks them."""

import time

import numpy as np

from transfer.features.store.scratch import Scratch

CLAIM = 128  # images claimed together: few enough to share well, many enough to cost nothing
COMMIT, SECONDS = 256, 1.0  # a commit is of so many images, or so long after the last
BLOCK = 1 << 22  # bytes of features read in one go
POLL = 0.1  # seconds between looks at what other processes are computing


class Supply:
    """The features of `members` {hex sha256: member} by recipe `key`.

    compute: called with {member: sha256} and a function that says of a sha256 whether it is still
    to be computed; yields ([sha256], float32 [n, D]).  folder: where features lie meanwhile that
    the store can't keep.  computed: how many this run has computed.
    """

    def __init__(self, store, key, members, compute, folder):
        self.computed = 0
        self._store, self._key, self._members, self._compute = store, key, members, compute
        self._scratch = Scratch(folder)

    def __enter__(self):
        return self

    def __exit__(self, *fault):
        self._scratch.close()

    def fill(self):
        """Computes what the store lacks, shared with other processes that do the same; returns when
        all is there."""
        lacking = self._lacking(self._members)
        if lacking:
            self._run(lacking, _Claims(self._store, self._key, lacking))
        while lacking := self._lacking(lacking):
            mine = self._store.claim(self._key, lacking)
            if mine:  # of a process that was killed, or of one that failed
                self._run([image for image in lacking if image in mine], lambda image: True)
            else:
                time.sleep(POLL)

    def blocks(self, images, length):
        """Yields the features of `images` in their order as float32 [n, D], D = `length`, a few MB
        at a time.  What has gone from the store since `fill` is computed again."""
        step = max(1, BLOCK // (4 * length))
        for start in range(0, len(images), step):
            block = images[start : start + step]
            out = np.empty((len(block), length), np.float32)
            found = self._store.read(self._key, block, out)
            if any(not found[i] and image not in self._scratch for i, image in enumerate(block)):
                gone = set(self._lacking(images[start:]))
                gone.update(image for i, image in enumerate(block) if not found[i])
                gone = [image for image in dict.fromkeys(images[start:]) if image in gone]
                self._run([i for i in gone if i not in self._scratch], lambda image: True, False)
            for row in np.flatnonzero(~found):
                out[row] = self._scratch.get(block[row], length)
            yield out

    def _lacking(self, images):
        missing = self._store.missing(self._key, images)
        return [image for image in missing if image not in self._scratch]

    def _run(self, images, is_mine, keep=True):
        wanted = {self._members[image]: image for image in images}
        for names, features in _commits(self._compute(wanted, is_mine)):
            self.computed += len(names)
            if not (keep and self._store.write(self._key, names, features)):
                self._scratch.put(names, features)


class _Claims:
    """Whether an image is this process's to compute; claimed by neighbours in `images`, when the
    first of them is asked for."""

    def __init__(self, store, key, images):
        self._store, self._key, self._images = store, key, images
        self._group = {image: i // CLAIM for i, image in enumerate(images)}
        self._mine = {}

    def __call__(self, image):
        group = self._group[image]
        if group not in self._mine:
            asked = self._images[group * CLAIM : (group + 1) * CLAIM]
            self._mine[group] = self._store.claim(self._key, asked)
        return image in self._mine[group]


def _commits(computed):
    """Joins pieces of ([name], float32 [n, D]) to such as are worth a transaction."""
    names, pieces, since = [], [], time.monotonic()
    for some, features in computed:
        names += some
        pieces.append(features)
        if len(names) >= COMMIT or time.monotonic() - since >= SECONDS:
            yield names, np.concatenate(pieces)
            names, pieces, since = [], [], time.monotonic()
    if names:
        yield names, np.concatenate(pieces)
