"""The training rows of all views, with what a fit needs to know of each image."""

from dataclasses import dataclass, replace

import numpy as np

from transfer.errors import InputError
from transfer.heads.methods.chunks import chunks
from transfer.heads.methods.rows import Stacked, Transformed

# Bytes of rows in memory, or, of what is fitted in passes over the packs, of a square matrix in
# float64 as wide as the features; a fit takes about eight times as much while it runs.
LIMIT = 1 << 30
IN_PASSES = ("ridge", "auto")  # of which the latter is then ridge


@dataclass(frozen=True, eq=False)
class Training:
    """N images by V views.

    x: float32 [V N, D], view after view, an array or, where rows stay on disk, a form of
    rows.Stacked; labels: integers [N], 0..C-1; groups: integers [N]; weights: float64 [N], of mean
    1 or about it; fold: integers [N], which fold holds an image out (folds.NEVER: none); n_folds;
    n_classes: C.
    """

    x: np.ndarray | Stacked | Transformed
    labels: np.ndarray
    groups: np.ndarray
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

    @property
    def on_disk(self):
        return not isinstance(self.x, np.ndarray)

    def transformed(self, transform):
        x = Transformed(self.x, transform) if self.on_disk else transform(self.x)
        return replace(self, x=x)

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
            groups=self.groups[images],
            weights=self.weights[images],
            fold=self.fold[images],
        )


def of(views, labels, n_classes, kind, dealt, weights, groups=None):
    """The Training of views, a tuple of [N, D] that may be memory-mapped.

    Rows are copied into memory where they fit; where they don't and the kind can be fitted from
    the packs (IN_PASSES), they stay there.
    kind: the head's name; dealt: folds.Folds; weights: float64 [N]; groups: [N], None where each
    image is alone.
    Raises InputError where the rows are too many, not finite, or too large for float32 squares.
    """
    x = Stacked(views)
    n, d = x.shape
    size, square = 4 * n * max(d, n_classes), 8 * d * d
    if size > LIMIT and (kind not in IN_PASSES or max(square, 4 * n * n_classes) > LIMIT):
        others = "softmax, which reads" if kind in IN_PASSES else "ridge or softmax, which read"
        raise InputError(
            f"a head of the kind {kind} holds its training rows in memory, at most "
            f"{LIMIT >> 20:,} MB; received {size >> 20:,} MB ({n:,} rows of {d:,} features, "
            f"{n_classes:,} classes); choose head.kind: {others} them from the pack, or a smaller "
            "split.per_class"
        )
    copied = np.empty(x.shape, np.float32) if size <= LIMIT else None
    for part in chunks(n):
        rows = x[part]
        largest = max(float(rows.max(initial=0)), -float(rows.min(initial=0)))
        if not largest < 1e18:  # NaN is not less
            raise InputError(
                "the training features hold values that are not finite or too large for float32"
            )
        if copied is not None:
            copied[part] = rows
    x = x if copied is None else copied
    groups = np.arange(len(labels)) if groups is None else np.unique(groups, return_inverse=True)[1]
    labels = np.asarray(labels)
    return Training(x, labels, groups, weights, dealt.held, dealt.number, n_classes)
