"""The kinds of head by name, and what of `head` in params.yaml decides each; without NumPy."""

from transfer.errors import InputError, unknown

COURSE = ("epochs", "batch_size", "seed", "initializer", "class_weights")  # trained by Adam
CHOSEN = ("transform", "folds", "class_weights", "seed")  # by folds of the training data
OPTIONS = {
    "softmax": COURSE,
    "mlp": (*COURSE, "hidden"),
    "auto": (*CHOSEN, "strength"),  # ridge, or logistic where clearly better
    "logistic": (*CHOSEN, "strength"),
    "ridge": (*CHOSEN, "strength"),
    "knn": (*CHOSEN, "neighbours"),
    "prototype": CHOSEN,
    "finetune": ("upto", "rate", "epochs", "batch_size", "seed", "class_weights"),
}
_COURSE = {"epochs": 50, "batch_size": 256}  # as the course trained
AUTO = {
    "softmax": _COURSE,
    "mlp": _COURSE,
    "finetune": {"batch_size": 32},  # epochs by the number of images
}


UNWEIGHTED = ("knn", "prototype")  # a class counts there by its nearest rows or its mean alone


def require_fit(kind, class_weights):
    """InputError unless a head of this kind can have these class weights."""
    of(kind)
    if class_weights != "none" and kind in UNWEIGHTED:
        raise InputError(
            f"head.class_weights: {class_weights} means nothing to a head of the kind {kind}; "
            "choose none, or head.kind: ridge"
        )


def require_cut(kind, cut):
    """InputError where a head of this kind needs activations at a cut and `cut`, extract.cut, is
    empty."""
    if kind == "finetune" and cut is None:
        raise InputError(
            "head.kind: finetune needs activations at a cut, and extract.cut is empty; set "
            "extract.cut: auto, or a cut that the card of the net lists"
        )


def given(kind, values):
    """The part of `values`, {option: value}, that decides a head of this kind, with what `auto`
    means to it where no folds choose it."""
    auto = AUTO.get(kind, {})
    return {
        name: auto.get(name, "auto") if values[name] == "auto" else values[name]
        for name in of(kind)
    }


def of(kind):
    """The keys of `head` that decide a head of this kind; InputError lists the known kinds."""
    if kind not in OPTIONS:
        raise unknown("head", kind, OPTIONS)
    return OPTIONS[kind]
