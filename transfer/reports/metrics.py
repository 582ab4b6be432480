"""How good the probabilities of a head are: one flat dict for each part of the data."""

import numpy as np

from transfer.reports.intervals import accuracy_interval

BINS = 15  # of equal width, of the top-1 confidence
# log_loss of a class that float32 calls impossible: the smallest step of float32 stands in for 0,
# as scikit-learn's log_loss does.
FLOOR = float(np.finfo(np.float32).eps)


def measure(probabilities, labels, groups=None):
    """{metric: value} of probabilities [N, C], labels integers [N] in 0..C-1, N >= 1.

    accuracy with its 95 % ends accuracy_low and accuracy_high (groups [N] are what is resampled),
    top5 where C > 5, macro_f1 and balanced_accuracy (means over the classes present in `labels`,
    since a class without an image has no recall), log_loss in nats, ece, n and n_groups.
    """
    p = np.asarray(probabilities, np.float64)
    predicted = p.argmax(axis=1)
    correct = predicted == labels
    low, high = accuracy_interval(correct, groups)
    recall, f1 = per_class(labels, predicted, p.shape[1])
    present = np.unique(labels)
    measured = {
        "accuracy": correct.mean(),
        "accuracy_low": low,
        "accuracy_high": high,
        "balanced_accuracy": recall[present].mean(),
        "ece": expected_calibration_error(p.max(axis=1), correct),
        "log_loss": -log_probabilities(p, labels).mean(),
        "macro_f1": f1[present].mean(),
    }
    if p.shape[1] > 5:
        measured["top5"] = (ranks(p, labels) < 5).mean()
    measured = {name: float(value) for name, value in measured.items()}
    n_groups = len(labels) if groups is None else len(np.unique(groups))
    return measured | {"n": len(labels), "n_groups": n_groups}


def per_class(labels, predicted, n_classes):
    """(recall [C], F1 [C]); NaN for the recall of a class without an image, and for the F1 of one
    that is not predicted either.  F1 = 2 right / (images + predictions of the class)."""
    right = np.bincount(labels[labels == predicted], minlength=n_classes)
    images = np.bincount(labels, minlength=n_classes)
    predictions = np.bincount(predicted, minlength=n_classes)
    with np.errstate(invalid="ignore"):
        return right / images, 2 * right / (images + predictions)


def ranks(p, labels):
    """How many classes stand before the true one [N]; of equal ones the first class stands first,
    as in argmax, so that rank 0 is exactly a right answer."""
    true = p[np.arange(len(labels)), labels][:, None]
    earlier = np.arange(p.shape[1]) < np.asarray(labels)[:, None]
    return ((p > true) | ((p == true) & earlier)).sum(axis=1)


def log_probabilities(p, labels):
    """Natural log of the true class's probability [N], never below log(FLOOR)."""
    return np.log(np.maximum(p[np.arange(len(labels)), labels], FLOOR))


# Naeini et al. 2015, "Obtaining well calibrated probabilities using Bayesian binning"; in the form
# of Guo et al. 2017, "On calibration of modern neural networks", equation 3.  Bin m of BINS holds
# the n_m images whose confidence lies in ((m - 1) / BINS, m / BINS]:
#   ece = sum over m of n_m / N |right_m / n_m - confidence_m / n_m|,
# with the sums right_m, confidence_m over the bin; n_m cancels.
def expected_calibration_error(confidence, correct):
    """Mean distance of confidence and accuracy, 0..1; confidence [N] in 0..1, correct bool [N]."""
    edges = np.arange(1, BINS) / BINS
    bins = np.searchsorted(edges, confidence, side="left")
    gaps = np.bincount(bins, np.asarray(correct, np.float64) - confidence, minlength=BINS)
    return float(np.abs(gaps).sum() / len(confidence))
