"""A head's answers to the images of one part: a few numbers an image, however many classes."""

from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from transfer.packs.reader import Pack

# log_loss of a class that float32 calls impossible: the smallest step of float32 stands in for 0,
# as scikit-learn's log_loss does.
FLOOR = float(np.finfo(np.float32).eps)
BLOCK = 4096  # names that are in memory at once


@dataclass(frozen=True, eq=False)
class Answers:
    """24 bytes an image, in the order of the pack; false where there is no image.

    All that is told of a head's answers comes from these and from what lies mapped in the pack:
    probabilities [N, C] of a million images and a thousand classes would be 4 GB.
    """

    part: str
    pack: Pack  # N images
    classes: list[str]  # C names
    weights: str  # where the net's come from
    predicted: np.ndarray  # int32 [N], 0..C-1
    confidence: np.ndarray  # float32 [N], the probability of the predicted class, 0..1
    log_probability: np.ndarray  # float64 [N], natural log of the true class's, >= log(FLOOR)
    rank: np.ndarray  # int32 [N], how many classes stand before the true one; 0 is a right answer
    group: np.ndarray  # int32 [N], the number of the image's group: 0..G-1, of G groups

    def __len__(self):
        return len(self.predicted)


def of(part, pack, classes, weights, chunks):
    """The Answers to the N images of `pack`.

    chunks: yields the probabilities of consecutive rows, floats [n, C], N rows in all; of these
    only one chunk is in memory.  An image without a group is a group of its own.
    """
    n = len(pack.labels)
    predicted, rank = np.empty(n, np.int32), np.empty(n, np.int32)
    confidence, log_probability = np.empty(n, np.float32), np.empty(n)
    done = 0
    for p in chunks:
        rows = slice(done, done + len(p))
        labels = pack.labels[rows]
        predicted[rows] = p.argmax(axis=1)
        confidence[rows] = p.max(axis=1)
        log_probability[rows] = log_probabilities(p, labels)
        rank[rows] = ranks(p, labels)
        done += len(p)
    assert done == n, f"{done} rows of probabilities for {n} images"
    group = np.arange(n, dtype=np.int32) if pack.groups is None else numbered(pack.groups)
    return Answers(
        part, pack, classes, weights, predicted, confidence, log_probability, rank, group
    )


def ranks(p, labels):
    """How many classes stand before the true one [n]; of equal ones the first class stands first,
    as in argmax, so that rank 0 is exactly a right answer.  p: [n, C]; labels: integers [n]."""
    true = p[np.arange(len(labels)), labels][:, None]
    earlier = np.arange(p.shape[1]) < np.asarray(labels)[:, None]
    return ((p > true) | ((p == true) & earlier)).sum(axis=1)


def log_probabilities(p, labels):
    """float64 [n], the natural log of the true class's probability, never below log(FLOOR)."""
    true = p[np.arange(len(labels)), labels].astype(np.float64)
    return np.log(np.maximum(true, FLOOR))


def numbered(names):
    """int32 [N]: equal numbers 0..G-1 for equal names, of which there are G, in no order of theirs.

    names: strings [N], which may be mapped.  They are told apart by 128 bits of a hash: to sort the
    names themselves would take a copy of them, hundreds of bytes an image.
    """
    digests = np.empty(len(names), "S16")
    for start in range(0, len(names), BLOCK):
        block = (name.encode("utf-8", "surrogatepass") for name in names[start:][:BLOCK].tolist())
        digests[start : start + BLOCK] = [blake2b(b, digest_size=16).digest() for b in block]
    return np.unique(digests, return_inverse=True)[1].astype(np.int32)
