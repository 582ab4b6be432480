"""A stack of dense layers: start, forward pass, gradient, probabilities.

Layers are a list of (kernel [d, u], bias [u]), float32, ReLU between them and none at the top.  A
head keeps them by name: `kernel_0` [D, u], `bias_0` [u], `kernel_1`, ... up to [.., C].

Callers hold the arithmetic to one BLAS thread: the order of the additions in a matrix product
depends on how many threads share it, and equal inputs must give equal bytes on any machine load.
"""

import math
from itertools import pairwise

import numpy as np
from threadpoolctl import threadpool_limits

from transfer.errors import InputError

PAIR = ("kernel", "bias")


def glorot_uniform(d, u, rng):
    """A kernel [d, u] as Keras' Dense starts with (Glorot & Bengio 2010, equation 16)."""
    limit = math.sqrt(6 / (d + u))
    return rng.uniform(-limit, limit, (d, u))


def truncated_normal(d, u, rng):
    """A kernel [d, u] of standard deviation .01, drawn again beyond two of them, as TensorFlow's
    truncated_normal does: the start of the course's AlexNet head."""
    kernel = rng.standard_normal((d, u))
    while (outside := np.abs(kernel) > 2).any():
        kernel[outside] = rng.standard_normal(outside.sum())
    return 0.01 * kernel


INITIALIZERS = {"glorot_uniform": glorot_uniform, "truncated_normal": truncated_normal}


def initial(widths, rng, initializer="glorot_uniform"):
    """Layers between neighbours in `widths`: kernels of INITIALIZERS and zero biases."""
    return [
        (INITIALIZERS[initializer](d, u, rng).astype(np.float32), np.zeros(u, np.float32))
        for d, u in pairwise(widths)
    ]


def forward(layers, x):
    """([the input of each layer], log_p [n, C]) of rows x [n, D]."""
    h = [x]
    for kernel, bias in layers[:-1]:
        h.append(np.maximum(h[-1] @ kernel + bias, 0))
    kernel, bias = layers[-1]
    return h, log_softmax(h[-1] @ kernel + bias)


def log_softmax(logits):
    """Log-probabilities [n, C], finite for finite logits of any size."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def log_mean(log_p):
    """log of the mean over views of exp(log_p), [n, C] each: what is averaged is probabilities."""
    return np.logaddexp.reduce(log_p, axis=0) - np.float32(math.log(len(log_p)))


def sums(log_p, labels, weights=None):
    """[summed cross-entropy in nats, number of right answers] of n rows; weights: float32 [n], by
    which each row's cross-entropy is multiplied, or None."""
    losses = -log_p[np.arange(len(labels)), labels]
    losses = losses if weights is None else losses * weights
    loss = losses.sum(dtype=np.float64)
    return np.array([loss, (log_p.argmax(axis=1) == labels).sum()])


# For a batch of n rows x [n, D] with labels [n]; p = exp(log_p) [n, C]; one_hot [n, C]:
#   h_0 = x;  h_i+1 = max(h_i kernel_i + bias_i, 0) below the top;  logits = h kernel + bias there
#   log_p = logits - log(sum over classes of exp(logits)); a row's maximum is subtracted first, so
#           that no exponential overflows
#   loss  = -mean over rows of log_p[row, label]
# d log_p[label] / d logits = one_hot - p, so, from the top down,
#   delta = d loss / d logits = (p - one_hot) / n
#   d loss / d kernel_i = h_i' delta;  d loss / d bias_i = sum over rows of delta
#   delta one layer below = delta kernel_i' where h_i > 0, else 0
# A row that is weighted by s has s times its loss, so s times its delta.
def gradients(layers, h, log_p, labels, weights=None):
    """[d loss / d kernel_0, d loss / d bias_0, d loss / d kernel_1, ...] of the mean loss; weights:
    float32 [n] of the rows, or None."""
    delta = np.exp(log_p)
    delta[np.arange(len(labels)), labels] -= 1
    if weights is not None:
        delta *= weights[:, None]
    delta /= np.float32(len(labels))
    found = []
    for i in reversed(range(len(layers))):
        found[:0] = [h[i].T @ delta, delta.sum(axis=0)]
        if i:
            delta = (delta @ layers[i][0].T) * (h[i] > 0)
    return found


def named(layers):
    """{"kernel_0": ..., "bias_0": ..., ...} of the layers."""
    return {
        f"{name}_{i}": array
        for i, pair in enumerate(layers)
        for name, array in zip(PAIR, pair, strict=True)
    }


def layers_of(arrays):
    """The layers in a head's arrays, the inverse of `named`."""
    return [tuple(arrays[f"{name}_{i}"] for name in PAIR) for i in range(len(arrays) // 2)]


def probabilities(arrays, x):
    """float32 [n, C] of rows x [n, D]; NaN in a row that is not finite."""
    with threadpool_limits(1), np.errstate(over="ignore", invalid="ignore"):
        return np.exp(forward(layers_of(arrays), np.asarray(x, np.float32))[1])


def operations(arrays):
    """The chain of operations (kinds.OPERATIONS) from features to the probabilities above."""
    chain = []
    for pair in layers_of(arrays):
        chain += [("affine", *(np.asarray(a, np.float32) for a in pair)), ("relu",)]
    return [*chain[:-1], ("softmax",)]


def sizes(arrays):
    """(D, C) of a head's arrays; InputError where they don't make a stack of layers."""
    expected = [f"{name}_{i}" for i in range(max(1, len(arrays) // 2)) for name in PAIR]
    if sorted(arrays) != sorted(expected):
        received = ", ".join(sorted(arrays)) or "none"
        raise InputError(f"it must hold the arrays {', '.join(expected)}; received {received}")
    layers = layers_of(arrays)
    width = layers[0][0].shape[:1]
    for i, (kernel, bias) in enumerate(layers):
        if kernel.ndim != 2 or kernel.shape[:1] != width or bias.shape != kernel.shape[1:]:
            raise InputError(
                f"kernel_{i} {list(kernel.shape)} and bias_{i} {list(bias.shape)} don't fit "
                f"together, or not the layer before, whose width is {list(width)}"
            )
        width = bias.shape
    return layers[0][0].shape[0], width[0]
