"""The feature store: each feature that was computed, kept outside the workspace.

Where: `features-1.sqlite` in $TRANSFER_STORE, else in the user's cache folder.  Deleting it, at any
time, costs time only.

Key: sha256 of the image (index.Row.sha256: of what decodes to the pixels) and sha256 of the recipe
of one view (keys.RecipeKey).  So a copied, moved or renamed image costs nothing, and a feature is
never served for another network, layer, size, kernel, precision or version.
Value: [D] of the recipe's dtype, with a CRC-32 over key and value.  A torn write or a kill never
shows: transactions are SQLite's, on disk (fsync) when they end.  What rots later shows by the
checksum, and is then computed anew.

Many processes may read and write at once, also of several hosts on a file system with locks;
claims.py keeps them from computing the same.  A damaged file is renamed to *.damaged and filled
anew; one that can't be written (rights, a full disk) is still read; one that can't be read is done
without: a line on stderr each.

Why SQLite.  Vectors under random keys, batches of 256 committed durably, read one by one by a
fresh process (from the system's page cache): vectors/s, and size over that of the bare numbers.
Two cores of an AMD EPYC, shared, so differences below a factor of 1.5 mean little; ext4, Python
3.11, py-lmdb 3.0.0, SQLite 3.40.1 in pages of 64 KiB (in its usual 4 KiB, 512 floats took twice
their size, as in LMDB's):

    N        D     | SQLite: write   read     size | LMDB: write   read     size
    20,000     512 |        10,900  110,000   1.06 |      27,800  199,000   2.07
    20,000   2,048 |         6,900   75,000   1.15 |      14,700  177,000   1.52
    200,000    512 |        10,300   81,000   1.06 |      19,700  247,000   2.05
    200,000  2,048 |         9,500   63,000   1.15 |      13,100  147,000   1.51

LMDB is about twice as fast.  SQLite was chosen because either outruns the fastest network here many
times over, and because SQLite is in Python itself, reports a damaged file (LMDB maps it, and a
fault is the end of the process), takes half the room, can give room back to the disk, needs no
limit of its size said beforehand, and is read from folders without the right to write.  Its journal
is TRUNCATE: WAL writes faster, and asks for memory shared on one host.
"""

import time

import numpy as np

from transfer.features.store import claims, values
from transfer.features.store.database import Database

ASKED = 128  # images looked up by one statement: half the time of one each (measured)
FRESH = 3600  # seconds; the last use is told to no more than this, so that reading seldom writes


def opened(folder):
    """The Store in `folder`, made where it is not there.  It is a context, closed at its end."""
    return Store(Database(folder))


class Store:
    """Features by recipe (keys.RecipeKey) and image (the 32 bytes of its sha256).  For one thread.

    lease: seconds that a claim lasts without news of this process.
    Where the file can't be used nothing is found, nothing is kept and every claim is given.
    """

    def __init__(self, database):
        self._database = database
        self._owner = claims.new_owner()
        self._used = set()
        self.lease, self._renewed = claims.LEASE, time.monotonic()

    def __enter__(self):
        return self

    def __exit__(self, *fault):
        self._database.write(lambda base: claims.end_all(base, self._owner))
        self._database.close()

    def length(self, key):
        """D of the features of recipe `key`, or None where there is none."""
        return self._database.read(lambda base: _recipe(base, key)[1])

    def missing(self, key, images):
        """Those of `images` that the store lacks, each once, in their order."""

        def look(base):
            recipe, _ = _recipe(base, key)
            return [i for some in _pieces(images) for i in _lacking(base, recipe, some)]

        return list(dict.fromkeys(self._database.read(look, images)))

    def read(self, key, images, out):
        """Fills rows of `out` [n, D] with the features of the n `images`; bool [n], False
        where there is none or a damaged one, whose row is as it was."""

        def look(base):
            found, batches, bad, start = np.zeros(len(images), bool), set(), [], 0
            size = out.shape[1] * key.dtype.itemsize
            recipe, _ = _recipe(base, key)
            for some in _pieces(images):
                rows = {image: row for row, image in enumerate(some, start)}
                for id_, image, batch, checksum, value in _select(base, _FEATURES, recipe, some):
                    if values.is_sound(key.sha256, image, checksum, value, size):
                        out[rows[image]] = np.frombuffer(value, key.dtype)
                        found[rows[image]] = True
                        batches.add(batch)
                    else:
                        bad.append(id_)
                if len(rows) < len(some):  # an image that is asked for more than once
                    for row, image in enumerate(some, start):
                        if found[rows[image]]:
                            out[row], found[row] = out[rows[image]], True
                start += len(some)
            return found, batches - self._used, bad

        nothing = np.zeros(len(images), bool), set(), []
        found, batches, bad = self._database.read(look, nothing)
        if batches or bad:
            self._note(batches, bad)
        return found

    def write(self, key, images, features):
        """Keeps `features` [n, D] of the n `images`, in one transaction; whether it did.
        Those that are there already stay."""

        def put(base):
            row = (key.sha256, key.text, features.shape[1])
            base.execute("INSERT OR IGNORE INTO recipes VALUES (NULL, ?, ?, ?)", row)
            recipe, _ = _recipe(base, key)
            now = int(time.time())
            made = base.execute("INSERT INTO batches VALUES (NULL, ?, ?)", (recipe, now))
            for image, feature in zip(images, features, strict=True):
                value = np.ascontiguousarray(feature, key.dtype).tobytes()
                base.execute(
                    "INSERT OR IGNORE INTO features VALUES (NULL, ?, ?, ?, ?, ?)",
                    (
                        recipe,
                        image,
                        made.lastrowid,
                        values.checksum(key.sha256, image, value),
                        value,
                    ),
                )
                claims.end(base, key.sha256, image)
            # Not each time: a cluster's run may hold a million claims.
            if time.monotonic() - self._renewed > self.lease / 4:
                claims.renew(base, self._owner, self.lease)
                self._renewed = time.monotonic()
            return True

        return self._database.write(put, False)

    def claim(self, key, images):
        """Those of `images`, a list, that are now this process's to compute: neither in the store
        nor claimed by another.  Claims end with `write`, or with the store."""

        def take(base):
            recipe, _ = _recipe(base, key)
            return {
                image
                for some in _pieces(images)
                for image in _lacking(base, recipe, some)
                if claims.take(base, key.sha256, image, self._owner, self.lease)
            }

        return self._database.write(take, set(images))

    def _note(self, batches, bad):
        """Writes down that `batches` are in use, and removes features by the ids `bad`."""
        now = int(time.time())
        if bad:
            self._database.say(f"held {len(bad)} damaged features: they are computed again")

        def note(base):
            old = [(now, batch, now - FRESH) for batch in batches]
            base.executemany("UPDATE batches SET used = ? WHERE id = ? AND used < ?", old)
            base.executemany("DELETE FROM features WHERE id = ?", [(id_,) for id_ in bad])

        self._database.write(note)
        self._used |= batches


def _recipe(base, key):
    """(id, D) of the recipe, (None, None) where there is none."""
    query = "SELECT id, length FROM recipes WHERE key = ?"
    return base.execute(query, (key.sha256,)).fetchone() or (None, None)


_FEATURES = "SELECT id, image, batch, checksum, value FROM features"


def _pieces(images):
    return (images[start : start + ASKED] for start in range(0, len(images), ASKED))


def _select(base, query, recipe, images):
    """The rows of `query` over features for those of `images` that there are."""
    places = ",".join("?" * len(images))
    return base.execute(f"{query} WHERE recipe = ? AND image IN ({places})", (recipe, *images))


def _lacking(base, recipe, images):
    there = {image for (image,) in _select(base, "SELECT image FROM features", recipe, images)}
    return [image for image in images if image not in there]
