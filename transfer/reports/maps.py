"""The features of a part in two dimensions, to see which classes lie together.

t-SNE (van der Maaten & Hinton 2008, "Visualizing data using t-SNE") after a PCA to 50 dimensions,
as its authors do; both by scikit-learn.  Neighbours are true, distances and sizes of clusters
are not, and neither axis has a unit.
"""

import heapq
from hashlib import sha256

import numpy as np

from transfer.reports import predictions

ORDER = ("test", "validation")  # the first of these parts that has images is drawn
COLUMNS = ("x", "y", "label", "predicted", "correct", "id", "weights")
MOST = 1000  # rows: t-SNE takes about 3 seconds of one core for them
DIMENSIONS = 50
PERPLEXITY = 30  # about how many neighbours count; scikit-learn's own default
FEWEST = 10  # different rows that have neighbours to speak of; below, a PCA to 2 is drawn


def write(path, answers, embedded=lambda features: features):
    """Writes COLUMNS, a row an image of `answers`: the part that `plots.shown` names of ORDER; at
    most MOST.  embedded: from features [n, D] to those that are drawn (trained.Head.embedded).
    Returns the sentences to print: which images are drawn, where not all are."""
    n = len(answers)
    ids = range(n) if answers.pack.ids is None else answers.pack.ids
    chosen = np.array(drawn(ids, MOST), np.intp)
    points = flat(embedded(answers.pack.features[chosen])) if n else ()
    table = []
    for (x, y), row in zip(
        points, predictions.named(predictions.rows(answers, chosen)), strict=True
    ):
        names = (row["label"], row["predicted"])
        correct = "yes" if names[0] == names[1] else "no"
        table.append((f"{x:.3f}", f"{y:.3f}", *names, correct, row["id"], row["weights"]))
    predictions.write(path, table, COLUMNS)
    if len(chosen) == n:
        return []
    return [f"the map shows {MOST} of {n} {answers.part} images, those whose ids hash lowest"]


def drawn(ids, most):
    """Indices, ascending, of the `most` ids with the lowest sha256: an image that is added moves
    at most one other out, whatever the order of the files."""
    hashed = ((sha256(str(id_).encode()).digest(), i) for i, id_ in enumerate(ids))
    return sorted(i for _, i in heapq.nsmallest(most, hashed))


def flat(features):
    """float64 [N, 2] of features [N, D], N >= 1; the same bytes on every run on one machine."""
    # Whoever imports this module to read COLUMNS must not wait for scikit-learn.
    from sklearn.decomposition import PCA  # noqa: PLC0415
    from sklearn.manifold import TSNE  # noqa: PLC0415
    from threadpoolctl import threadpool_limits  # noqa: PLC0415

    with threadpool_limits(1):  # sums in another order differ in their last bits
        centred = np.asarray(features, np.float64) - np.mean(features, axis=0, dtype=np.float64)
        if not centred.any():  # one image, or all alike: PCA would divide by their variance
            return np.zeros((len(centred), 2))
        kept = min(DIMENSIONS, *centred.shape)
        x = PCA(kept, random_state=0).fit_transform(centred)
        x = np.pad(x, ((0, 0), (0, max(0, 2 - kept))))  # [N, kept or 2]: two to draw
        n = len(np.unique(x, axis=0))
        if n < FEWEST:
            return x[:, :2]
        tsne = TSNE(perplexity=min(PERPLEXITY, (n - 1) / 3), random_state=0, n_jobs=1)
        return tsne.fit_transform(x).astype(np.float64)
