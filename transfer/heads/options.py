"""The kinds of head by name, and what of `head` in params.yaml decides each; without NumPy."""

from transfer.errors import unknown

OPTIONS = {
    "softmax": ("epochs", "batch_size", "seed", "initializer"),
    "mlp": ("epochs", "batch_size", "seed", "initializer", "hidden"),
}


def of(kind):
    """The keys of `head` that decide a head of this kind; InputError lists the known kinds."""
    if kind not in OPTIONS:
        raise unknown("head", kind, OPTIONS)
    return OPTIONS[kind]
