"""The temperature: one number that makes a head's probabilities as certain as they are right.

Guo et al. 2017, "On Calibration of Modern Neural Networks", section 4.2: logits are divided by T.
"""

import numpy as np

from transfer.heads.methods import stacks

WIDEST = 7.0  # natural logarithm of the largest T; the smallest is its inverse
HOW = {"xatol": 1e-4}  # of log T


def averaged(logits, t=1.0):
    """log of the mean over the views of softmax(logits / t): float64 [N, C] of [V, N, C]."""
    log_p = [stacks.log_softmax(view / t) for view in np.asarray(logits, np.float64)]
    return np.logaddexp.reduce(log_p, axis=0) - np.log(len(log_p))


# With one view the loss is convex in 1/T: log-sum-exp of a linear function, less a linear one.  So
# it has one minimum over log T too, as T is a monotonic function of it.  Where every held-out image
# is right the loss falls all the way to T = 0; the bound, and the penalty below, end that: half an
# image is taken to be wrong by chance, as by Laplace's rule.
def fit(logits, labels):
    """The T under which held-out logits [V, n, C] of n images are best calibrated, averaged over
    the views; labels: integers [n].  1.0 where n is 0."""
    from scipy.optimize import minimize_scalar  # noqa: PLC0415  # see selection.fit_kind

    n = len(labels)
    if not n:
        return 1.0

    def loss(log_t):
        log_p = averaged(logits, np.exp(log_t))
        uniform = log_p.mean(axis=1).mean()
        return -(n * log_p[np.arange(n), labels].mean() + 0.5 * uniform) / (n + 0.5)

    found = minimize_scalar(loss, bounds=(-WIDEST, WIDEST), method="bounded", options=HOW)
    return float(np.exp(found.x))
