"""Least squares where the rows are too many for memory: a few passes over them.

Gives the fits and held-out scores of `ridge` from sums over the rows of each fold, so that memory
goes by the features and not by the images.
"""

import numpy as np

from transfer.heads.methods.chunks import chunks
from transfer.heads.methods.ridge import STRENGTHS
from transfer.heads.methods.workers import each


# With z_i = (x_i, 1) of the features x_i [D] of row i, weights s_i and one-hot targets y_i [C],
#   squares = sum s_i z_i z_i' [D + 1, D + 1];  moments = sum s_i z_i y_i' [D + 1, C]
# are sums, so what a fit without a fold needs is those of all rows less those of the fold.  It is
#   (squares + n strength diag(1, ..., 1, 0)) (W; bias) = moments
# where the intercept is not penalised, and n is the number of ALL rows: the penalty of `ridge`,
# n strength |W|^2, stays as it is when a fold is left out.  The features come from a transform that
# has centred them, so no digits are lost to a mean.
class Ridge:
    """The fits to one Training whose rows stay where they are.  Holds a matrix [D + 1, D + 1] in
    float64 of each fold."""

    values = STRENGTHS
    patience = None  # see `ridge`

    def __init__(self, training):
        self.training = training
        self.fold = training.by_rows(training.fold)
        self.weights = training.by_rows(training.weights)
        self.labels = training.by_rows(training.labels)
        # In `fold` the rows that none holds out have the number -1 (choosing.folds.NEVER).
        *self.of_folds, never = each(training.n_folds + 1, self._sums)
        self.of_all = [sum(parts) for parts in zip(*self.of_folds, never, strict=True)]

    def _sums(self, fold):
        """(squares, moments) of the rows of a fold; the number after the last is for those that
        none holds out."""
        d, c = self.training.x.shape[1] + 1, self.training.n_classes
        squares, moments = np.zeros((d, d)), np.zeros((d, c))
        for numbers in self._chunks(fold if fold < self.training.n_folds else -1):
            root = np.sqrt(self.weights[numbers])[:, None]
            z = root * np.pad(self.training.x[numbers], ((0, 0), (0, 1)), constant_values=1)
            squares += z.T @ z
            moments += z.T @ (root * np.eye(c)[self.labels[numbers]])
        return squares, moments

    def _chunks(self, fold):
        """Yields the sorted numbers of the rows of a fold, some at a time."""
        numbers = np.flatnonzero(self.fold == fold)
        return (numbers[part] for part in chunks(len(numbers)))

    def candidates(self, strengths):
        """Yields (strength, scores float32 [V, N, C]) for each of the `strengths`: of an image by
        the fit that did not see it; 0 of one that is never held out."""
        for strength in strengths:
            scores = np.zeros((len(self.fold), self.training.n_classes), np.float32)

            def fit(fold, strength=strength, scores=scores):
                seen = [a - b for a, b in zip(self.of_all, self.of_folds[fold], strict=True)]
                w, bias = (part.astype(np.float32) for part in self._solved(*seen, strength))
                for numbers in self._chunks(fold):
                    scores[numbers] = self.training.x[numbers] @ w + bias

            each(self.training.n_folds, fit)
            yield strength, self.training.by_views(scores)

    def _solved(self, squares, moments, strength):
        """(W [D, C], bias [C]), float64, of the rows that the sums are of; overwrites squares."""
        from scipy.linalg import cho_factor, cho_solve  # noqa: PLC0415  # see selection.fit_kind

        d = len(squares) - 1
        squares[range(d), range(d)] += len(self.fold) * strength
        factor = cho_factor(squares.T, overwrite_a=True)  # LAPACK takes columns first
        found = cho_solve(factor, moments)
        return found[:-1], found[-1]

    def solve(self, strength, strengths=()):
        """(kernel [D, C], bias [C]) on all rows of the Training, float64; strengths: not needed,
        each strength has its own closed form."""
        squares, moments = self.of_all
        return self._solved(squares.copy(), moments, strength)
