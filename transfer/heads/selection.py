"""Chooses a head's transform and its strength or neighbours by folds inside the training data, and
fits its temperature there.

Validation and test images have no say.
"""

import numpy as np
from threadpoolctl import threadpool_limits

from transfer.errors import InputError
from transfer.heads import folds as folds_
from transfer.heads import judged as judged_
from transfer.heads import (
    linear,
    logistic,
    neighbours,
    prototype,
    ridge,
    training,
    transforms,
)
from transfer.heads import options as options_
from transfer.heads import weights as weights_
from transfer.heads.fitted import Fitted

# Rows by which transforms are told apart where a path for each would take long: a decomposition's
# time goes by the cube of the lesser of rows and features, on one core 1.5 s of 2,000 and 14 s of
# 4,300.
MOST = 2000


def fit_logistic(views, labels, n_classes, **options):
    """A fitted.Fitted; see `_fit`."""
    return _fit("logistic", logistic.Logistic, "strength", views, labels, n_classes, **options)


def fit_ridge(views, labels, n_classes, **options):
    """A fitted.Fitted; see `_fit`."""
    return _fit("ridge", ridge.Ridge, "strength", views, labels, n_classes, **options)


def fit_prototype(views, labels, n_classes, **options):
    """A fitted.Fitted; see `_fit`."""
    return _fit("prototype", prototype.Prototype, None, views, labels, n_classes, **options)


def fit_knn(views, labels, n_classes, **options):
    """A fitted.Fitted; see `_fit`."""
    return _fit("knn", neighbours.Neighbours, "neighbours", views, labels, n_classes, **options)


def _fit(
    kind, method, parameter, views, labels, n_classes,
    *, groups, seed, transform, folds, class_weights="none", **options,
):  # fmt: skip
    """The fitted.Fitted of the best candidate, fitted to all rows.

    method: a class such as logistic.Logistic; parameter: the option that has candidate values;
    views, labels, n_classes, groups: as in kinds.fit; options: of the kind, and keywords for what
    has epochs, which are not looked at.
    Raises InputError where there is one class alone, for weights of a kind that has none, for more
    neighbours than rows, and what `training.held` raises.
    """
    present = np.unique(labels)
    if len(present) < 2:
        raise InputError(
            f"a head of the kind {kind} needs training images of two classes; received "
            f"{len(present)}; check the index and split.per_class"
        )
    options_.require_fit(kind, class_weights)
    weights = weights_.of_classes(labels, n_classes, class_weights)[labels]
    dealt = folds_.dealt(labels, groups, folds, seed)
    rows = training.held(views, labels, n_classes, kind, dealt, weights)
    asked = options.get(parameter, "auto")
    if parameter == "neighbours" and asked != "auto" and asked > len(rows.x):
        raise InputError(
            f"head.neighbours is {asked}, but there are {len(rows.x)} training rows; choose fewer"
        )
    values = method.values if asked == "auto" else (asked,)
    if parameter == "neighbours":
        values = tuple(k for k in values if k <= len(rows.x))
    names = transforms.NAMES if transform == "auto" else (transform,)
    # One BLAS thread: see `stacks`.  SciPy brings a BLAS of its own, which is held to one thread
    # where it is loaded by then, and not if later.
    import scipy.optimize  # noqa: F401, PLC0415  # late: predict need not wait for it

    with threadpool_limits(1):
        best, fitter, mapped, tried = _best(method, rows, names, values, dealt)
        if kind == "knn":
            arrays = neighbours.arrays(mapped, fitter, best.value, best.temperature)
        else:
            arrays = linear.arrays(mapped, *fitter.solve(best.value, values), best.temperature)
    return Fitted(arrays, {}, _about(best, parameter, values, tried, dealt))


def _best(method, rows, names, values, dealt):
    """(Judged, its fitter, its Transform, how many candidates were judged)."""
    best, tried = None, 0
    if len(names) > 1 and dealt.number and _is_costly(method, rows):
        # Least squares on a part of the images tells transforms apart.  Of three pairs of net and
        # dataset, the folds of logistic regression chose the same in two, and in GoogLeNet on
        # CIFAR-10 another one, by .004 nats of held-out log loss.
        part = rows.thinned(MOST)
        chosen, _, _, tried = _best(ridge.Ridge, part, names, ridge.STRENGTHS, dealt)
        names = (chosen.transform,)
    for name in names:
        mapped = transforms.fitted(name, rows.x)
        fitter = method(rows.transformed(mapped))
        middle = [judged_.middle(name, values)]
        judged = list(judged_.path(fitter, rows, name, values)) if dealt.number else middle
        tried += len(judged)
        found = min(judged, key=judged_.rank)
        if best is None or judged_.rank(found) < judged_.rank(best[0]):
            best = found, fitter, mapped
        del fitter  # of two transforms at most the rows are in memory
    return *best, tried


def _is_costly(method, rows):
    """Whether a path for each transform would take long: many fits, or a large decomposition."""
    return method is logistic.Logistic or (method is ridge.Ridge and min(rows.x.shape) > MOST)


def told(about):
    """What `_about` says in a line for people."""
    parts = [about["transform"]]
    parts += [f"{name} {about[name]:g}" for name in ("strength", "neighbours") if name in about]
    text = ", ".join(parts)
    if about.get("at_edge"):
        text += " (at the edge of what is tried)"
    if about["folds"]:
        text += (
            f" of {about['tried']} tried by {about['folds']} folds of {about['folds_by']}s: "
            f"held-out accuracy {about['fold_accuracy']:.4f}; "
            f"temperature {about['temperature']:.3g}"
        )
    return text


def _about(best, parameter, values, tried, dealt):
    """`Head.selection`: what was chosen and how, as plain values."""
    about = {"transform": best.transform, "temperature": best.temperature, "tried": tried}
    if parameter:
        about[parameter] = best.value
        about["at_edge"] = len(values) > 1 and best.value in (values[0], values[-1])
    if dealt.number:
        about |= {"fold_accuracy": best.accuracy, "fold_log_loss": best.log_loss}
    return about | dealt.about() | ({"note": dealt.note} if dealt.note else {})
