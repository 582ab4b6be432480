"""Rows in the coordinates of their principal axes, in which a linear head is cheap to fit.

All strengths and folds share one eigendecomposition.  It is eigh of the smaller of X'X and XX',
since an SVD of X takes several times as long and gives no more.
"""

from dataclasses import dataclass

import numpy as np

from transfer.heads.methods.chunks import chunks

LEAST = 1e-10  # of the largest eigenvalue: below it, an axis is rounding alone


@dataclass(frozen=True, eq=False)
class Rotation:
    """coordinates: float32 [n, r], centred; squares: float64 [r], the weighted mean square of each;
    mean: float64 [D], the weighted mean of the rows [n, D]; basis: float64 [D, r], or None where
    there are fewer rows than features: then rows and coordinates give it."""

    coordinates: np.ndarray
    squares: np.ndarray
    mean: np.ndarray
    basis: np.ndarray | None
    rows: np.ndarray

    def back(self, w, weights):
        """float64 [D, C]: the kernel that does to rows what w [r, C] does to coordinates."""
        if self.basis is not None:
            return self.basis @ w
        inner = self.coordinates * weights[:, None] @ (w / (len(self.rows) * self.squares[:, None]))
        return self.rows.T @ inner.astype(np.float32) - np.outer(self.mean, inner.sum(axis=0))


# With S = diag(sqrt(weights)), X~ = S (X - 1 mean') [n, D] and n rows:
#   n >= D:  X~'X~ = V diag(n d) V',  coordinates A = (X - 1 mean') V
#   n < D:   X~X~' = U diag(n d) U',  S A = U diag(sqrt(n d)),  V = X~' (S A) diag(1 / (n d))
# so that A' diag(weights) A = diag(n d) in both: `squares` is d.  A kernel w on A is V w on X.
def rotated(x, weights):
    """The Rotation of rows x [n, D] with weights float64 [n] of mean 1."""
    n, d = x.shape
    parts = chunks(n)
    mean = sum(weights[part] @ x[part] for part in parts) / n  # float64 [D]
    root = np.sqrt(weights)[:, None]
    if n >= d:
        gram = np.zeros((d, d))
        for part in parts:
            rows = root[part] * (x[part] - mean)
            gram += rows.T @ rows
        values, basis = _decomposed(gram)
        a = np.empty((n, len(values)), np.float32)
        for part in parts:
            a[part] = (x[part] - mean) @ basis
        return Rotation(a, values / n, mean, basis, x)
    gram = np.zeros((n, n))
    for part in chunks(d):
        columns = root * (x[:, part] - mean[part])
        gram += columns @ columns.T
    values, axes = _decomposed(gram)
    return Rotation((axes * np.sqrt(values) / root).astype(np.float32), values / n, mean, None, x)


def _decomposed(gram):
    """(eigenvalues [r], eigenvectors [m, r]) of those that are more than rounding."""
    values, axes = np.linalg.eigh(gram)
    kept = values > LEAST * max(values[-1], 0)
    return values[kept], axes[:, kept]
