"""The k nearest training rows by cosine, each voting with a weight that grows with similarity.

root                 whether unit roots come first (transforms.unit_roots): bool []
shift, scale         float32 [D], the transform
references           float32 [n, D], the transformed training rows, of length 1
classes              int64 [n], the class of each
n_classes            int64 [], C
neighbours           int64 [], k
temperature          float32 []
"""

import numpy as np
from threadpoolctl import threadpool_limits

from transfer.errors import InputError
from transfer.heads.methods import linear, stacks, transforms
from transfer.heads.methods.chunks import chunks

COUNTS = (1, 3, 5, 10, 20, 50)
SHARPNESS = np.float32(1 / 0.07)  # of weights exp(cosine / .07): Wu et al. 2018, section 3.4
NAMES = (
    "root", "shift", "scale", "references", "classes", "n_classes", "neighbours", "temperature",
)  # fmt: skip


def unit(x):
    """Rows x [n, D] of length 1; a row of zeros stays so."""
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), transforms.SHORTEST)


# Of the k nearest references of a row, with cosines s_j and classes y_j:
#   share_c = sum over j with y_j = c of exp(s_j / .07) / sum over j of exp(s_j / .07)
#   logits  = log(share_c + 1 / (k C))
# The last term is one vote spread over all classes, so that no class is ruled out.
def logits(queries, references, classes, n_classes, counts):
    """{k: float32 [m, C]} of unit rows queries [m, D] for each k of `counts`; classes: [n]."""
    most = min(max(counts), len(references))
    found = {k: np.empty((len(queries), n_classes), np.float32) for k in counts}
    for part in chunks(len(queries)):
        cosines = queries[part] @ references.T  # [m, n]
        # A stable sort, so that of equal rows the first counts, wherever the chunk begins.
        nearest = np.argsort(-cosines, axis=1, kind="stable")[:, :most]
        near = np.take_along_axis(cosines, nearest, axis=1)
        weights = np.exp((near - near[:, :1]) * SHARPNESS)
        votes = classes[nearest]
        for k in counts:
            share = np.zeros((len(near), n_classes), np.float32)
            rows = np.arange(len(near))
            for j in range(min(k, most)):
                share[rows, votes[:, j]] += weights[:, j]
            share /= share.sum(axis=1, keepdims=True)
            found[k][part] = np.log(share + np.float32(1 / (k * n_classes)))
    return found


class Neighbours:
    """The rows of one Training, of length 1."""

    values = COUNTS
    patience = None

    def __init__(self, training):
        self.training = training
        self.rows = unit(training.x)
        self.labels = training.by_rows(training.labels)

    def candidates(self, counts):
        """Yields (k, logits float32 [V, N, C]) for each k of `counts`, of an image by the images of
        other folds; 0 of one that is never held out."""
        fold, c = self.training.by_rows(self.training.fold), self.training.n_classes
        found = {k: np.zeros((len(fold), c), np.float32) for k in counts}
        for f in range(self.training.n_folds):
            out, seen = fold == f, fold != f
            part = logits(self.rows[out], self.rows[seen], self.labels[seen], c, counts)
            for k in counts:
                found[k][out] = part[k]
        yield from ((k, self.training.by_views(found[k])) for k in counts)


def arrays(transform, fitter, k, t):
    """The arrays of a head of the Neighbours `fitter`, for k neighbours and temperature t."""
    return {
        "root": np.array(transform.is_root),
        "shift": transform.shift.astype(np.float32),
        "scale": transform.scale.astype(np.float32),
        "references": fitter.rows,
        "classes": fitter.labels.astype(np.int64),
        "n_classes": np.array(fitter.training.n_classes, np.int64),
        "neighbours": np.array(k, np.int64),
        "temperature": np.array(t, np.float32),
    }


def probabilities(arrays, x):
    """float32 [n, C] of rows x [n, D]; NaN in a row that is not finite."""
    with threadpool_limits(1), np.errstate(over="ignore", invalid="ignore"):
        x = transforms.unit_roots(x) if arrays["root"] else np.asarray(x, np.float32)
        queries = unit((x - arrays["shift"]) * arrays["scale"])
        k, c = int(arrays["neighbours"]), int(arrays["n_classes"])
        found = logits(queries, arrays["references"], arrays["classes"], c, (k,))[k]
        return np.exp(stacks.log_softmax(found / arrays["temperature"]))


def operations(arrays):
    raise InputError(
        "a head of the kind knn can't be exported, since it looks through all training rows; "
        "choose another head.kind"
    )


def sizes(arrays):
    """(D, C) of a head's arrays; InputError where they don't belong together."""
    linear.require_names(arrays, NAMES)
    references, classes = arrays["references"], arrays["classes"]
    shapes = {name: list(arrays[name].shape) for name in NAMES}
    n, d = references.shape if references.ndim == 2 else (0, 0)
    expected = {"shift": [d], "scale": [d], "references": [n, d], "classes": [n]}
    wrong = [name for name in NAMES if shapes[name] != expected.get(name, [])]
    if not n or wrong:
        told = ", ".join(f"{name} {shapes[name]}" for name in wrong or ["references"])
        raise InputError(f"its arrays don't fit together: {told}")
    kinds = {name: arrays[name].dtype.kind for name in NAMES}
    expected = dict(zip(NAMES, "bfffiiif", strict=True))
    if kinds != expected:
        wrong = ", ".join(f"{n} {arrays[n].dtype}" for n in NAMES if kinds[n] != expected[n])
        raise InputError(f"its arrays are of other kinds than they must be: {wrong}")
    if not 0 < arrays["temperature"] < np.inf:
        raise InputError(f"its temperature must be above 0; received {arrays['temperature']}")
    c = int(arrays["n_classes"])
    if classes.min() < 0 or classes.max() >= c or not 1 <= arrays["neighbours"] <= n:
        raise InputError(
            f"its classes must lie in 0..{c - 1} and its neighbours in 1..{n}; received classes "
            f"{classes.min()}..{classes.max()} and {arrays['neighbours']} neighbours"
        )
    return d, c
