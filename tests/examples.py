"""Small features, packs and heads that several tests use."""

import numpy as np

from transfer.heads import kinds, trained
from transfer.packs import writer as packs

OPTIONS = {
    "softmax": {"epochs": 5, "batch_size": 16, "seed": 0},
    "mlp": {"epochs": 5, "batch_size": 16, "seed": 0, "hidden": 12},
}
SOURCE = {"net": "mini", "dataset": "sample", "weights": "untrained"}
RECIPE = {"size": 64, "source": SOURCE}


def blobs(n=70, d=10, c=4, seed=0):
    """Features float32 [n, d] about c centres, labels [n]."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, c, n)
    centres = np.random.default_rng(99).normal(size=(c, d))
    return (centres[labels] + 0.5 * rng.normal(size=(n, d))).astype(np.float32), labels


def fitted(kind="softmax", **more):
    x, y = blobs()
    options = OPTIONS[kind] | more
    arrays, curves = kinds.fit(kind, x, y, 4, options, validation=blobs(30, seed=1))
    return trained.Head(kind, arrays, list("abcd"), "mini", "sample", RECIPE, curves, options)


def write_pack(path, x, y, classes="abcd", **recipe):
    ids = np.array([f"{path.stem}/{i}" for i in range(len(y))])
    packs.write(
        path,
        features=x,
        labels=y,
        ids=ids,
        groups=ids,
        classes=list(classes),
        recipe=RECIPE | recipe,
    )
