"""The kinds of head: how each is fitted and how it gives probabilities.

A kind is a row of `KINDS`.  To add one, write a module with the four functions of `Kind`, a row
here and one in `options`; its file form, the stages, the reports and the exports need no change.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from transfer.errors import InputError
from transfer.heads import dense, stacks
from transfer.heads import options as options_

# What a head is made of, told without a framework, so that each export can write it in its own.
# A head is a chain: each operation takes the output of the one before, the first the features
# x [N, D], all in float32; the last gives probabilities [N, C].
#   ("affine", kernel [d, u], bias [u])   x kernel + bias, [N, u]
#   ("relu",)                             max(x, 0)
#   ("softmax",)                          exp(x) / sum over a row of exp(x)
# A kind that needs another one adds it here and to the table of each export.
OPERATIONS = ("affine", "relu", "softmax")


@dataclass(frozen=True)
class Kind:
    """What a kind of head must offer.

    fit(features [N, D], labels [N], n_classes, *, validation, on_batch, on_epoch, bar, and one
        keyword for each of its options.OPTIONS) -> (arrays by name, curves {name: [epochs]}; {}
        where nothing is iterated)
    probabilities(arrays, features [n, D]) -> float32 [n, C]
    operations(arrays) -> the same as a chain of `OPERATIONS`, a list of tuples
    sizes(arrays) -> (D, C); raises InputError where the arrays don't belong together
    """

    fit: Callable
    probabilities: Callable
    operations: Callable
    sizes: Callable


KINDS = {
    "softmax": Kind(dense.fit_softmax, stacks.probabilities, stacks.operations, stacks.sizes),
    "mlp": Kind(dense.fit_mlp, stacks.probabilities, stacks.operations, stacks.sizes),
}


def named(kind):
    """The Kind of that name; InputError lists the known ones."""
    options_.of(kind)
    return KINDS[kind]


def options(kind, given):
    """The part of `given`, {option: value}, that decides a head of this kind."""
    return {name: given[name] for name in options_.of(kind)}


def fit(
    kind,
    features,
    labels,
    n_classes,
    options,
    *,
    validation=None,
    on_batch=None,
    on_epoch=None,
    bar=True,
):
    """Fits a head; returns (arrays, curves).

    features: [N, D], may be memory-mapped; labels: integers [N] in 0..n_classes-1; validation:
    None or (features [M, D], labels [M]), for curves and never to choose.  The callbacks and the
    bar are those of `dense.train`.
    Raises InputError for an unknown kind, rows that don't match, and labels out of range.
    """
    how = named(kind)
    _check("training", features, labels, n_classes, features.shape[1:])
    if not len(labels):
        raise InputError("there are no training images to fit a head on")
    if validation is not None:
        _check("validation", *validation, n_classes, features.shape[1:])
    return how.fit(
        features,
        labels,
        n_classes,
        validation=validation,
        on_batch=on_batch,
        on_epoch=on_epoch,
        bar=bar,
        **options,
    )


def _check(part, features, labels, n_classes, width):
    if features.ndim != 2 or features.shape[1:] != width:
        raise InputError(
            f"{part} features have the shape {list(features.shape)}, expected [N, {width[0]}]"
        )
    if len(features) != len(labels):
        raise InputError(f"{len(features)} rows of {part} features have {len(labels)} labels")
    wrong = np.unique(labels[(labels < 0) | (labels >= n_classes)])
    if len(wrong):
        raise InputError(
            f"{part} labels must lie in 0..{n_classes - 1}; received {wrong[0]}"
            + (f" and {len(wrong) - 1} other values" if len(wrong) > 1 else "")
        )
