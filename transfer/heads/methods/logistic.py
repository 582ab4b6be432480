"""Multinomial logistic regression with an L2 penalty, along a path of strengths."""

import numpy as np

from transfer.heads.methods import rotation, stacks
from transfer.heads.methods.workers import each

STRENGTHS = tuple(10.0 ** (-k / 2) for k in range(2, 15))  # strong to weak, as fits warm up
# Where a fit ends: the largest slope by a scaled variable, or what a step gains of loss.  One that
# is to be compared with others ends early, one of a strength that is given at the optimum.
ROUGH = {"gtol": 1e-3, "ftol": 1e-5, "maxiter": 100}  # to choose: held-out loss within .3 %
FINE = {"gtol": 1e-6, "ftol": 1e-8, "maxiter": 1000}  # as far as float32 goes
FLATTEST = 1e-3  # least mean of p (1 - p) that the scale of the variables takes for the curvature


# For rows a [n, r] (coordinates of `rotation`), weights s [n] of sum S, labels y, kernel w [r, C]:
#   loss = 1/S sum_i s_i (-log softmax(a_i w + b)[y_i]) + strength/2 |w|^2;  b is not penalised
#   delta = s/S (p - one_hot);  d loss / d w = a' delta + strength w;  d loss / d b = sum_i delta_i
# Boehning 1992, "Multinomial logistic regression algorithm": the Hessian of the loss is at most
#   1/2 (I - 11'/C) (x) a' diag(s/S) a + strength I
# and a' diag(s/S) a is diag(squares) in these coordinates.  The 1/2 bounds what is p (1 - p) of a
# row and class, in the mean far less: with that mean at the start, variables that are scaled by
#   sqrt(squares mean(p (1 - p)) + strength)
# have a curvature near 1 in every direction, and L-BFGS takes a quarter fewer steps than with the
# bound (212 for 284 over ten strengths, on one fold of 4,300 signs of 43 classes).
def minimise(a, labels, weights, strength, squares, start, ends):
    """(w [r, C], b [C]) that minimise the loss, both float64; start: such a pair; ends: ROUGH or
    FINE."""
    from scipy.optimize import minimize  # noqa: PLC0415  # see selection.fit_kind

    n_classes = len(start[1])
    p = np.exp(stacks.log_softmax(a @ start[0].astype(np.float32) + start[1].astype(np.float32)))
    curvature = max(float((p * (1 - p)).mean()), FLATTEST)
    scale = np.sqrt(np.append(squares * curvature + strength, curvature))[:, None]  # [r + 1, 1]
    share = (weights / weights.sum()).astype(np.float32)
    rows = np.arange(len(a))

    def loss(variables):
        scaled = variables.reshape(-1, n_classes) / scale
        w, b = scaled[:-1], scaled[-1]
        log_p = stacks.log_softmax(a @ w.astype(np.float32) + b.astype(np.float32))
        value = -(share * log_p[rows, labels]).sum(dtype=np.float64)
        value += strength / 2 * (w * w).sum()
        delta = np.exp(log_p)
        delta[rows, labels] -= 1
        delta *= share[:, None]
        slopes = np.empty_like(scaled)
        slopes[:-1] = a.T @ delta + strength * w
        slopes[-1] = delta.sum(axis=0, dtype=np.float64)
        return value, (slopes / scale).ravel()

    first = (np.vstack([start[0], start[1]]) * scale).ravel()
    found = minimize(loss, first, jac=True, method="L-BFGS-B", options=ends)
    solved = found.x.reshape(-1, n_classes) / scale
    return solved[:-1], solved[-1]


class Logistic:
    """The fits to one Training.  Holds the rows in their principal axes."""

    values = STRENGTHS
    patience = 2  # values that are no better, each of which costs a fit a fold

    def __init__(self, training):
        self.training = training
        self.weights = training.by_rows(training.weights)
        self.labels = training.by_rows(training.labels)
        self.rotation = rotation.rotated(training.x, self.weights)

    def candidates(self, strengths):
        """Yields (strength, logits float32 [V, N, C]) for each of the `strengths`, from strong to
        weak: of an image by the fit that did not see it; 0 of one that is never held out."""
        fold, n_folds = self.training.by_rows(self.training.fold), self.training.n_folds
        paths = [self._path(fold != f, strengths) for f in range(n_folds)]
        for strength in strengths:
            logits = np.zeros((len(fold), self.training.n_classes), np.float32)
            for f, (w, b) in enumerate(each(n_folds, lambda f: next(paths[f]))):
                logits[fold == f] = self.rotation.coordinates[fold == f] @ w + b
            yield strength, self.training.by_views(logits)

    # All rows are taken down the same path as the folds' were: a weak penalty leaves much to where
    # a fit ends, and the strength and the temperature were chosen for fits that end there.
    def solve(self, strength, strengths=()):
        """(kernel [D, C], bias [C]) on all rows of the Training, float64; strengths: those that
        `candidates` was given, none for the optimum."""
        way = strengths[: strengths.index(strength) + 1] if strengths else (strength,)
        *_, (w, b) = self._path(slice(None), way, rough=len(strengths) > 1)
        kernel = self.rotation.back(w, self.weights)
        return kernel, b - self.rotation.mean @ kernel

    def _path(self, seen, strengths, rough=None):
        """Yields (w [r, C], b [C]) for each of the `strengths`, on the rows `seen`, each fit from
        where the one before ended."""
        rough = len(strengths) > 1 if rough is None else rough
        a, labels = self.rotation.coordinates[seen], self.labels[seen]
        weights, squares = self.weights[seen], self.rotation.squares
        n_classes = self.training.n_classes
        found = np.zeros((len(squares), n_classes)), np.zeros(n_classes)
        for strength in strengths:
            ends = ROUGH if rough else FINE
            found = minimise(a, labels, weights, strength, squares, found, ends)
            yield found
