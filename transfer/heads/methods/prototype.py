"""The nearest class mean: a head without a fit, a baseline for the others.

Snell, Swersky & Zemel 2017, "Prototypical Networks", equation 2, on a net that is not trained.
"""

import numpy as np


# logits = -|x - m_c|^2 = -|x|^2 + 2 x m_c - |m_c|^2; softmax takes no notice of -|x|^2, which is
# the same for all classes, and what is left is affine: kernel 2 m', bias -|m_c|^2.
class Prototype:
    """The class means of one Training and of its folds."""

    values = (None,)

    patience = None

    def __init__(self, training):
        self.training = training
        self.weights = training.by_rows(training.weights)
        self.labels = training.by_rows(training.labels)

    def _means(self, seen):
        """(sums [C, D], counts [C]) of the rows where `seen`."""
        one_hot = np.eye(self.training.n_classes, dtype=np.float32)[self.labels[seen]]
        return one_hot.T @ self.training.x[seen], one_hot.sum(axis=0)

    def candidates(self, values):
        """Yields (None, logits float32 [V, N, C]), of an image by the means of other folds."""
        fold, x = self.training.by_rows(self.training.fold), self.training.x
        logits = np.zeros((len(fold), self.training.n_classes), np.float32)
        for f in range(self.training.n_folds):
            kernel, bias = _affine(*self._means(fold != f))
            logits[fold == f] = x[fold == f] @ kernel + bias
        yield from ((value, self.training.by_views(logits)) for value in values)

    def solve(self, value, values=()):
        """(kernel [D, C], bias [C]) on all rows of the Training; there is no value to choose."""
        return _affine(*self._means(np.ones(len(self.labels), bool)))


FAR = np.float32(-1e4)  # logit of a class without an image, whose mean is nowhere


def _affine(sums, counts):
    means = sums / np.maximum(counts, 1)[:, None]  # [C, D]
    bias = np.where(counts > 0, -(means * means).sum(axis=1), FAR)
    return 2 * means.T, bias.astype(np.float32)
