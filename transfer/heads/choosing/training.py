"""The training rows of all views, held in memory, with what a fit needs to know of each image."""

from dataclasses import dataclass, replace

import numpy as np

from transfer.errors import InputError

LIMIT = 1 << 30  # bytes of rows; a fit takes about eight times as much while it runs


@dataclass(frozen=True, eq=False)
class Training:
    """N images by V views.

    x: float32 [V N, D], view after view; labels: integers [N], 0..C-1; weights: float64 [N], of
    mean 1 or about it; fold: integers [N], which fold holds an image out (folds.NEVER: none);
    n_folds; n_classes: C.
    """

    x: np.ndarray
    labels: np.ndarray
    weights: np.ndarray
    fold: np.ndarray
    n_folds: int
    n_classes: int

    @property
    def n_views(self):
        return len(self.x) // len(self.labels)

    def by_rows(self, of_images):
        """[V N] of [N]: what is known of an image, for each of its rows."""
        return np.tile(of_images, self.n_views)

    def by_views(self, of_rows):
        """[V, N, ...] of [V N, ...]."""
        return of_rows.reshape(self.n_views, len(self.labels), *of_rows.shape[1:])

    def transformed(self, transform):
        return replace(self, x=transform(self.x))

    def thinned(self, most):
        """The Training of at most so many rows, the same of every class and fold by share."""
        n = min(len(self.labels), max(1, most // self.n_views))
        order = np.lexsort((self.fold, self.labels))
        images = np.sort(order[np.arange(n) * len(order) // n])
        rows = (np.arange(self.n_views)[:, None] * len(self.labels) + images).ravel()
        return replace(
            self,
            x=self.x[rows],
            labels=self.labels[images],
            weights=self.weights[images],
            fold=self.fold[images],
        )


def held(views, labels, n_classes, kind, dealt, weights):
    """The Training of views, a tuple of [N, D] that may be memory-mapped, copied into memory.

    kind: the head's name, for the sentence; dealt: folds.Folds; weights: float64 [N].
    Raises InputError where the rows are too many, not finite, or too large for float32 squares.
    """
    n, d = views[0].shape
    size = 4 * len(views) * n * max(d, n_classes)
    if size > LIMIT:
        raise InputError(
            f"a head of the kind {kind} holds its training rows in memory, at most "
            f"{LIMIT >> 20:,} MB; received {size >> 20:,} MB ({len(views) * n:,} rows of "
            f"{d:,} features, {n_classes:,} classes); choose head.kind: softmax, which reads them "
            "from the pack, or a smaller split.per_class"
        )
    x = np.empty((len(views) * n, d), np.float32)
    for i, view in enumerate(views):
        x[i * n : (i + 1) * n] = view
    largest = max(float(x.max(initial=0)), -float(x.min(initial=0)))
    if not largest < 1e18:  # NaN is not less
        raise InputError(
            "the training features hold values that are not finite or too large for float32"
        )
    return Training(x, np.asarray(labels), weights, dealt.held, dealt.number, n_classes)
