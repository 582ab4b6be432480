"""Small features, packs and heads that several tests use."""

import numpy as np

from transfer.features import extraction
from transfer.heads import kinds, trained
from transfer.packs import writer as packs

COURSE = ("softmax", "mlp")  # kinds that are trained by Adam
CHOSEN = {"transform": "auto", "folds": 3, "class_weights": "none", "seed": 0}
OPTIONS = {
    "softmax": {"epochs": 5, "batch_size": 16, "seed": 0},
    "mlp": {"epochs": 5, "batch_size": 16, "seed": 0, "hidden": 12},
    "logistic": CHOSEN | {"strength": "auto"},
    "ridge": CHOSEN | {"strength": "auto"},
    "knn": CHOSEN | {"neighbours": "auto"},
    "prototype": CHOSEN,
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
    checked, labels = blobs(30, seed=1)
    found = kinds.fit(kind, (x,), y, 4, options, validation=((checked,), labels))
    names = {"classes": list("abcd"), "net": "mini", "dataset": "sample", "recipe": RECIPE}
    arrays, curves, selection = found
    return trained.Head(kind, arrays, **names, curves=curves, options=options, selection=selection)


def extracted(images, members, engine, square, view="plain"):
    """Features float32 [N, D] of `view`, one row for each of the N `members`, in their order;
    images whose member is not wanted are passed over."""
    row_of = {member: row for row, member in enumerate(members)}
    features = np.empty((len(members), engine.length), np.float32)
    seen = np.zeros(len(members), bool)
    wanted = ((row_of[image.member], [0], image) for image in images if image.member in row_of)
    for keys, block in extraction.computed(wanted, lambda: engine, square, [view]):
        rows = [row for _, row in keys]
        features[rows] = block
        seen[rows] = True
    assert seen.all(), "the reader did not give every member that it was asked for"
    return features


def fill(engine, batches, features):
    """Fills `features` [N, D] from `batches` of (rows, images); returns how many rows."""
    done = 0
    for rows, found in engine.stream(batches):
        features[rows] = found
        done += len(rows)
    return done


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
