"""The kinds of head: how each is fitted and how it gives probabilities.

A kind is a row of `KINDS`.  To add one, write a module with the four functions of `Kind`, a row
here and one in `options`; its file form, the stages, the reports and the exports need no change.
What is chosen by folds is fitted by `selection`.  `finetune` alone is fitted elsewhere, by `tuned`:
on activations at a cut, which are no features.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from transfer.errors import InputError
from transfer.heads import options as options_
from transfer.heads.choosing import selection
from transfer.heads.methods import dense, knn, linear, stacks

# What a head is made of, told without a framework, so that each export can write it in its own.
# A head is a chain: each operation takes the output of the one before, the first the features
# x [N, D], all in float32; the last gives probabilities [N, C].
#   ("affine", kernel [d, u], bias [u])   x kernel + bias, [N, u]
#   ("relu",)                             max(x, 0)
#   ("unit_roots",)                       sign(x) sqrt|x|, each row divided by its length
#                                         sqrt(sum |x|), at least transforms.SHORTEST
#   ("softmax",)                          exp(x) / sum over a row of exp(x)
# A kind that needs another one adds it here and to the table of each export.
OPERATIONS = ("affine", "relu", "softmax", "unit_roots")


@dataclass(frozen=True)
class Kind:
    """What a kind of head must offer.

    fit(views: tuple of [N, D], labels [N], n_classes, *, groups, validation, on_batch, on_epoch,
        bar, and one keyword for each of its options.OPTIONS) -> fitted.Fitted
    probabilities(arrays, features [n, D]) -> float32 [n, C]
    operations(arrays) -> the same as a chain of `OPERATIONS`, a list of tuples; raises InputError
        where there is none
    sizes(arrays) -> (D, C); raises InputError where the arrays don't belong together
    embedded(arrays, features [n, D]) -> float32 [n, d], what of the features the last, linear part
        of a head sees, where that is not all of them
    """

    fit: Callable
    probabilities: Callable
    operations: Callable
    sizes: Callable
    embedded: Callable = lambda _, features: features


def _linear(fit):
    return Kind(fit, linear.probabilities, linear.operations, linear.sizes)


def _of_tail(name):
    def call(*given):
        from transfer.heads.methods import tail  # noqa: PLC0415  # imports OpenVINO

        return getattr(tail, name)(*given)

    return call


def _at_a_cut(*_, **__):
    raise InputError(
        "head.kind: finetune is fitted on activations at a cut and these are pooled features; set "
        "extract.cut: auto and run `dvc repro`"
    )


KINDS = {
    "softmax": Kind(dense.fit_softmax, stacks.probabilities, stacks.operations, stacks.sizes),
    "mlp": Kind(dense.fit_mlp, stacks.probabilities, stacks.operations, stacks.sizes),
    "logistic": _linear(partial(selection.fit_kind, "logistic")),
    "ridge": _linear(partial(selection.fit_kind, "ridge")),
    "auto": _linear(partial(selection.fit_kind, "auto")),
    "knn": Kind(
        partial(selection.fit_kind, "knn"),
        knn.probabilities,
        knn.operations,
        knn.sizes,
    ),
    "prototype": _linear(partial(selection.fit_kind, "prototype")),
    "finetune": Kind(
        _at_a_cut, *map(_of_tail, ("probabilities", "operations", "sizes", "embedded"))
    ),
}


def named(kind):
    """The Kind of that name; InputError lists the known ones."""
    options_.of(kind)
    return KINDS[kind]


def options(kind, given):
    """The part of `given`, {option: value}, that decides a head of this kind: options.given."""
    return options_.given(kind, given)


def fit(
    kind,
    views,
    labels,
    n_classes,
    options,
    *,
    groups=None,
    validation=None,
    on_batch=None,
    on_epoch=None,
    bar=True,
):
    """Fits a head; returns a fitted.Fitted: (arrays, curves, selection).

    views: a tuple of V >= 1 arrays [N, D], may be memory-mapped: N images, each seen V times;
    labels: integers [N] in 0..n_classes-1; options: {option: value}, those of `options`; groups:
    strings or integers [N], images of one of which stay in one fold, or None; validation: None or
    (views, a tuple of V arrays [M, D], labels [M]), for curves and never to choose.  The callbacks
    and the bar are those of `dense.train`, for the kinds that have epochs.
    Raises InputError for an unknown kind, rows that don't match, and labels out of range.
    """
    how = named(kind)
    if not isinstance(views, tuple) or not views:
        raise InputError(
            f"views must be a tuple of arrays [N, D]; received a {type(views).__name__}"
        )
    width = views[0].shape[1:]
    _check("training", views, labels, n_classes, width)
    if not len(labels):
        raise InputError("there are no training images to fit a head on")
    if groups is not None and len(groups) != len(labels):
        raise InputError(f"{len(labels)} training images have {len(groups)} groups")
    if validation is not None:
        _check("validation", *validation, n_classes, width)
        if len(validation[0]) != len(views):
            raise InputError(
                f"validation images have {len(validation[0])} views, and training images "
                f"{len(views)}; expected as many"
            )
    return how.fit(
        views,
        labels,
        n_classes,
        groups=groups,
        validation=validation,
        on_batch=on_batch,
        on_epoch=on_epoch,
        bar=bar,
        **options,
    )


def _check(part, views, labels, n_classes, width):
    for features in views:
        if features.ndim != 2 or features.shape[1:] != width:
            expected = f"[N, {width[0]}]" if len(width) == 1 else "[N, D]"
            raise InputError(
                f"{part} features have the shape {list(features.shape)}, expected {expected}"
            )
        if len(features) != len(labels):
            raise InputError(f"{len(features)} rows of {part} features have {len(labels)} labels")
    wrong = np.unique(labels[(labels < 0) | (labels >= n_classes)])
    if len(wrong):
        raise InputError(
            f"{part} labels must lie in 0..{n_classes - 1}; received {wrong[0]}"
            + (f" and {len(wrong) - 1} other values" if len(wrong) > 1 else "")
        )
