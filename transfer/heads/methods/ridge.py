"""Least squares to one-hot targets with an L2 penalty, every strength from one decomposition."""

import numpy as np

from transfer.heads.methods import rotation
from transfer.heads.methods.workers import each

STRENGTHS = tuple(10.0 ** (-k / 2) for k in range(13))


# For n rows X~ = S (X - 1 mean'), S = diag(sqrt(weights)), targets Y~ = S (one_hot - 1 prior'):
#   loss = 1/n |Y~ - X~ W|^2 + strength |W|^2, whose minimum in the coordinates A of `rotation` is
#   w = diag(1 / (d + strength)) (S A)' Y~ / n
# The intercept is not penalised: with weighted means taken off it is the prior [C].
#
# Held out, without fitting again: with H = q q' + Z Z', q = sqrt(weights / n) [n, 1] for the
# intercept and Z = S A diag(1 / sqrt(n (d + strength))) [n, r], fitted values are H Y~ and
# residuals R = Y~ - H Y~.  A fit without the rows f, its penalty n strength |W|^2 unchanged, leaves
# on them the residuals
#   E_f = (I - H_ff)^-1 R_f
# (Cook & Weisberg 1982, "Residuals and Influence in Regression", 2.2; for one row it is the PRESS
# residual).  With P = [q, Z] of width p = r + 1, the smaller of two systems gives the same:
#   (I - P_f P_f')^-1 R_f = R_f + P_f (I - P_f' P_f)^-1 P_f' R_f
class Ridge:
    """The fits to one Training.  Holds the rows in their principal axes."""

    values = STRENGTHS
    patience = None  # a strong penalty may be no better than chance for a while

    def __init__(self, training):
        self.training = training
        self.weights = training.by_rows(training.weights)
        self.rotation = rotation.rotated(training.x, self.weights)
        one_hot = np.eye(training.n_classes)[training.by_rows(training.labels)]
        self.prior = self.weights @ one_hot / len(one_hot)  # [C]
        self.root = np.sqrt(self.weights)[:, None]  # [n, 1]
        self.targets = self.root * (one_hot - self.prior)
        a, n = self.rotation.coordinates, len(one_hot)
        self.moments = a.T @ (self.root * self.targets).astype(np.float32) / n  # [r, C]

    def candidates(self, strengths):
        """Yields (strength, scores float32 [V, N, C]) for each of the `strengths`: of an image by
        the fit that did not see it; 0 of one that is never held out."""
        fold = self.training.by_rows(self.training.fold)
        a, n = self.rotation.coordinates, len(fold)
        for strength in strengths:
            shrink = np.sqrt(n * (self.rotation.squares + strength))
            w = self._solved(strength).astype(np.float32)
            scores = np.zeros((n, self.training.n_classes), np.float32)

            def fit(f, shrink=shrink, w=w):
                out = fold == f
                p = np.hstack([self.root[out] / np.sqrt(n), self.root[out] * a[out] / shrink])
                residuals = self.targets[out] - self.root[out] * (a[out] @ w)
                held = _held_out(p, residuals)
                return (self.targets[out] - held) / self.root[out] + self.prior

            for f, found in enumerate(each(self.training.n_folds, fit)):
                scores[fold == f] = found
            yield strength, self.training.by_views(scores)

    def _solved(self, strength):
        return self.moments / (self.rotation.squares + strength)[:, None]

    def solve(self, strength, strengths=()):
        """(kernel [D, C], bias [C]) on all rows of the Training, float64; strengths: not needed,
        each strength has its own closed form."""
        kernel = self.rotation.back(self._solved(strength), self.weights)
        return kernel, self.prior - self.rotation.mean @ kernel


def _held_out(p, residuals):
    """(I - p p')^-1 residuals; p: [m, r + 1] of the rows that a fold holds out."""
    m, width = p.shape
    if m <= width:
        return np.linalg.solve(np.eye(m) - p @ p.T, residuals)
    return residuals + p @ np.linalg.solve(np.eye(width) - p.T @ p, p.T @ residuals)
