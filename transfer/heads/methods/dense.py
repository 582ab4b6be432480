"""Trains heads of dense layers on bottleneck features with Adam, as Keras trains them.

`softmax` is one layer [D, C]; `mlp` is [D, hidden] with ReLU, then [hidden, C].
"""

import math

import numpy as np
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from transfer.errors import InputError
from transfer.heads.fitted import Fitted
from transfer.heads.methods import stacks
from transfer.heads.methods import weights as weights_
from transfer.heads.methods.chunks import chunks
from transfer.heads.methods.rows import Stacked

# Keras' defaults (keras/src/optimizers/adam.py).
LEARNING_RATE, BETA_1, BETA_2, EPSILON = 1e-3, 0.9, 0.999, 1e-7


def fit_softmax(views, labels, n_classes, **training):
    """A fitted.Fitted of one dense layer; see `fit`."""
    return fit(views, labels, [n_classes], **training)


def fit_mlp(views, labels, n_classes, *, hidden, **training):
    """A fitted.Fitted of a ReLU layer of `hidden` units and a dense layer; see `fit`."""
    return fit(views, labels, [hidden, n_classes], **training)


def fit(
    views,
    labels,
    units,
    *,
    seed,
    groups=None,
    initializer="glorot_uniform",
    class_weights="none",
    **training,
):
    """Trains layers of `units` (the last entry is C) from a seeded start.

    views: a tuple of [N, D], may be memory-mapped; labels: integers [N] in 0..C-1; groups: not
    looked at, since nothing is chosen here; initializer: a name in stacks.INITIALIZERS;
    class_weights: a name in weights.NAMES; training: keywords of `train` (epochs, ...).
    """
    rng = np.random.default_rng(seed)
    layers = stacks.initial([views[0].shape[1], *units], rng, initializer)
    weights = None
    if class_weights != "none":
        weights = weights_.of_classes(labels, units[-1], class_weights).astype(np.float32)
    curves = train(layers, views, labels, rng=rng, weights=weights, **training)
    return Fitted(stacks.named(layers), curves, {})


def train(
    layers,
    views,
    labels,
    *,
    epochs,
    batch_size,
    rng=None,
    weights=None,
    validation=None,
    on_batch=None,
    on_epoch=None,
    bar=True,
):
    """Trains `layers` in place; returns {"loss": [epochs], "acc": [epochs], ...}.

    Rows are those of all `views`, a tuple of [N, D], view after view.
    rng: draws each epoch's permutation; None takes the rows in their order.
    weights: None or float32 [C], by which the loss of a row of each class is multiplied.
    validation: None or (views, a tuple of [M, D], labels [M]), for the curves `val_loss`, `val_acc`
    alone; of an image by the mean of its views' probabilities, and not weighted.
    on_batch(seen, means), on_epoch(epoch from 1, means): called with the means so far of this
    epoch, over batches that were each measured before their update, as Keras prints them.
    bar: whether a terminal shows progress.
    Raises InputError where the features are so large, or not numbers, that a loss is not finite.
    """
    adam = Adam([array for pair in layers for array in pair])
    rounds = range(1, epochs + 1)
    rounds = tqdm(rounds, "head", disable=None if bar else True, leave=False, unit="epoch")
    curves, rows = {}, Stacked(views)
    # One BLAS thread: see `stacks`.  What overflows is told in one sentence, not in warnings.
    with threadpool_limits(1), np.errstate(over="ignore", invalid="ignore"):
        for epoch in rounds:
            order = np.arange(len(rows)) if rng is None else rng.permutation(len(rows))
            batches = (order[i : i + batch_size] for i in range(0, len(order), batch_size))
            means = _epoch(adam, layers, rows, labels, weights, batches, on_batch)
            if not all(np.isfinite(array).all() for array in (*adam.arrays, means["loss"])):
                raise _not_finite("training", epoch)
            if validation is not None and len(validation[1]):
                measured = _means(_evaluate(layers, *validation), len(validation[1]))
                if not math.isfinite(measured["loss"]):
                    raise _not_finite("validation", epoch)
                means |= {f"val_{name}": value for name, value in measured.items()}
            for name, value in means.items():
                curves.setdefault(name, []).append(value)
            if on_epoch:
                on_epoch(epoch, means)
    return {name: np.array(values) for name, values in curves.items()}


def _epoch(adam, layers, rows, labels, weights, batches, on_batch):
    """One pass over `batches`, arrays of row numbers; returns the means over their rows."""
    sums, seen = np.zeros(2), 0
    for batch in batches:
        # Within a batch any order gives the same step, and a file is read best in its own.
        numbers = np.sort(batch)
        wanted = labels[numbers % len(labels)]
        h, log_p = stacks.forward(layers, rows[numbers])
        row_weights = None if weights is None else weights[wanted]
        sums += stacks.sums(log_p, wanted, row_weights)
        adam.step(stacks.gradients(layers, h, log_p, wanted, row_weights))
        seen += len(batch)
        if on_batch:
            on_batch(seen, _means(sums, seen))
    return _means(sums, seen)


def _evaluate(layers, views, labels):
    """The `stacks.sums` of all images, a chunk at a time."""
    sums = np.zeros(2)
    for part in chunks(len(labels)):
        rows = (np.asarray(view[part], np.float32) for view in views)
        log_p = [stacks.forward(layers, x)[1] for x in rows]
        mean = log_p[0] if len(log_p) == 1 else stacks.log_mean(log_p)
        sums += stacks.sums(mean, labels[part])
    return sums


def _means(sums, n):
    return {"loss": float(sums[0] / n), "acc": float(sums[1] / n)}


def _not_finite(part, epoch):
    return InputError(
        f"the loss on the {part} features stopped being a finite number in epoch {epoch}; they "
        "hold values that are not finite or too large for float32"
    )


class Adam:
    """Kingma & Ba 2015, "Adam", algorithm 1, computed in the order that section 2 ends with; so
    epsilon is added to the uncorrected sqrt(v) (the paper's "epsilon hat"), as Keras does."""

    def __init__(self, arrays):
        self.arrays = arrays  # changed in place
        self.moments = [(np.zeros_like(a), np.zeros_like(a)) for a in arrays]
        self.t = 0

    # For each array and its gradient g, at step t:
    #   m += (1 - BETA_1) (g - m);  v += (1 - BETA_2) (g^2 - v)
    #   alpha = LEARNING_RATE sqrt(1 - BETA_2^t) / (1 - BETA_1^t)
    #   array -= alpha m / (sqrt(v) + EPSILON)
    def step(self, gradients):
        self.t += 1
        alpha = LEARNING_RATE * math.sqrt(1 - BETA_2**self.t) / (1 - BETA_1**self.t)
        for array, g, (m, v) in zip(self.arrays, gradients, self.moments, strict=True):
            m[:] += (g - m) * (1 - BETA_1)
            v[:] += (g * g - v) * (1 - BETA_2)
            array[:] -= alpha * m / (np.sqrt(v) + EPSILON)
