"""The kinds of head by name, and what of `head` in params.yaml decides each; without NumPy."""

from transfer.errors import unknown

COURSE = ("epochs", "batch_size", "seed", "initializer", "class_weights")  # trained by Adam
CHOSEN = ("transform", "folds", "class_weights", "seed")  # by folds of the training data
OPTIONS = {
    "softmax": COURSE,
    "mlp": (*COURSE, "hidden"),
    "logistic": (*CHOSEN, "strength"),
    "ridge": (*CHOSEN, "strength"),
    "knn": (*CHOSEN, "neighbours"),
    "prototype": CHOSEN,
}


def of(kind):
    """The keys of `head` that decide a head of this kind; InputError lists the known kinds."""
    if kind not in OPTIONS:
        raise unknown("head", kind, OPTIONS)
    return OPTIONS[kind]
