"""Chooses a head's transform and its strength or neighbours by folds inside the training data, and
fits its temperature there.

Validation and test images have no say.
"""

import numpy as np
from threadpoolctl import threadpool_limits

from transfer.errors import InputError
from transfer.heads import options as options_
from transfer.heads.choosing import candidates, training
from transfer.heads.choosing import folds as folds_
from transfer.heads.fitted import Fitted
from transfer.heads.methods import knn, linear, logistic, passes, prototype, ridge, transforms
from transfer.heads.methods import weights as weights_

METHODS = {
    "ridge": ridge.Ridge,
    "logistic": logistic.Logistic,
    "knn": knn.Neighbours,
    "prototype": prototype.Prototype,
}
LINEAR = ("ridge", "logistic")  # what `auto` chooses from
PARAMETERS = {"ridge": "strength", "logistic": "strength", "knn": "neighbours"}
# Rows by which kinds and transforms are told apart: a path for each over all of them takes long.
# The time of a decomposition goes by the cube of the lesser of rows and features, on one core 1.5 s
# of 2,000 and 14 s of 4,300.
MOST = 2000


def fit_kind(
    kind, views, labels, n_classes,
    *, groups, seed, transform, folds, class_weights="none", **options,
):  # fmt: skip
    """The fitted.Fitted of the best candidate, fitted to all rows.

    kind: one of METHODS, or auto, which is ridge unless logistic is clearly better; views, labels,
    n_classes, groups: as in kinds.fit; options: of the kind, and keywords for what has epochs,
    which are not looked at.
    Raises InputError where there is one class alone, for weights of a kind that has none, for more
    neighbours than rows, and what `training.of` raises.
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
    rows = training.of(views, labels, n_classes, kind, dealt, weights, groups)
    names = transforms.NAMES if transform == "auto" else (transform,)
    asked = options.get("strength", options.get("neighbours", "auto"))
    # One BLAS thread: see `stacks`.  SciPy brings a BLAS of its own, which is held to one thread
    # where it is loaded by then, and not if later.
    import scipy.optimize  # noqa: F401, PLC0415  # late: predict need not wait for it

    tried = 0
    with threadpool_limits(1):
        if kind == "auto" or (kind in LINEAR and len(names) > 1):
            kind, names, tried = _told_apart(kind, rows, names, asked, dealt)
        values = _values(kind, asked, len(rows.x))
        best, fitter, mapped, more = _best(kind, rows, names, values, dealt)
        if kind == "knn":
            arrays = knn.arrays(mapped, fitter, best.value, best.temperature)
        else:
            arrays = linear.arrays(mapped, *fitter.solve(best.value, values), best.temperature)
    return Fitted(arrays, {}, {"kind": kind} | _about(kind, best, values, tried + more, dealt))


def _values(kind, asked, n):
    """The candidates of the kind's parameter for n rows; asked: auto, or the only one."""
    if kind == "knn" and asked != "auto" and asked > n:
        raise InputError(
            f"head.neighbours is {asked}, but there are {n} training rows; choose fewer"
        )
    values = METHODS[kind].values if asked == "auto" or kind not in PARAMETERS else (asked,)
    return tuple(k for k in values if k <= n) if kind == "knn" else values


# Where both kinds are as good as can be told, least squares was nearly always the more accurate on
# new images (docs/accuracy.md), and its fit is exact.
# It tells transforms apart for both kinds.  Of three pairs of net and dataset, the folds
# of logistic regression chose the same in two, and in GoogLeNet on CIFAR-10 another one, by .004
# nats of held-out log loss.
def _told_apart(kind, rows, names, asked, dealt):
    """(kind, transforms, how many candidates were judged): one of each, chosen by a part of the
    images."""
    if not dealt.number:
        return "ridge" if kind == "auto" else kind, names, 0
    part = rows.thinned(MOST)
    values = _values("ridge", asked, len(part.x))
    chosen, _, _, tried = _best("ridge", part, names, values, dealt)
    names = (chosen.transform,)
    if kind == "auto" and rows.on_disk:
        kind = "ridge"  # the one that can be fitted there
    if kind == "auto":
        values = _values("logistic", asked, len(part.x))
        other, _, _, more = _best("logistic", part, names, values, dealt)
        groups = part.groups[part.fold != folds_.NEVER]
        clear = candidates.is_clearly_better(other.losses, chosen.losses, groups)
        kind = "logistic" if clear else "ridge"
        tried += more
    return kind, names, tried


def _best(kind, rows, names, values, dealt):
    """(Judged, its fitter, its Transform, how many candidates were judged)."""
    best, tried = None, 0
    for name in names:
        mapped = transforms.fitted(name, rows.x)
        method = passes.Ridge if rows.on_disk else METHODS[kind]
        fitter = method(rows.transformed(mapped))
        middle = [candidates.middle(name, values)]
        judged = list(candidates.path(fitter, rows, name, values)) if dealt.number else middle
        tried += len(judged)
        found = min(judged, key=candidates.rank)
        if best is None or candidates.rank(found) < candidates.rank(best[0]):
            best = found, fitter, mapped
        del fitter  # of two transforms at most the rows are in memory
    return *best, tried


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


def _about(kind, best, values, tried, dealt):
    """`Head.selection`: what was chosen and how, as plain values."""
    about = {"transform": best.transform, "temperature": best.temperature, "tried": tried}
    if kind in PARAMETERS:
        about[PARAMETERS[kind]] = best.value
        about["at_edge"] = len(values) > 1 and best.value in (values[0], values[-1])
    if dealt.number:
        about |= {"fold_accuracy": best.accuracy, "fold_log_loss": best.log_loss}
    return about | dealt.about() | ({"note": dealt.note} if dealt.note else {})
