"""How good the answers of a head are: one flat dict for each part of the data."""

import numpy as np

from transfer.reports.intervals import accuracy_interval

BINS = 15  # of equal width, of the top-1 confidence


def measure(answers):
    """{metric: value} of the Answers to N >= 1 images.

    accuracy with its 95 % ends accuracy_low and accuracy_high (groups are what is resampled), top5
    where C > 5, macro_f1 and balanced_accuracy (means over the classes that have an image, since
    one without has no recall), log_loss in nats, ece, n and n_groups.
    """
    labels, predicted = answers.pack.labels, answers.predicted
    correct = predicted == labels
    low, high = accuracy_interval(correct, answers.group)
    recall, f1 = per_class(labels, predicted, len(answers.classes))
    present = np.unique(labels)
    measured = {
        "accuracy": correct.mean(),
        "accuracy_low": low,
        "accuracy_high": high,
        "balanced_accuracy": recall[present].mean(),
        "ece": expected_calibration_error(answers.confidence, correct),
        "log_loss": -answers.log_probability.mean(),
        "macro_f1": f1[present].mean(),
    }
    if len(answers.classes) > 5:
        measured["top5"] = (answers.rank < 5).mean()
    measured = {name: float(value) for name, value in measured.items()}
    return measured | {"n": len(answers), "n_groups": int(answers.group.max()) + 1}


def per_class(labels, predicted, n_classes):
    """(recall [C], F1 [C]); NaN for the recall of a class without an image, and for the F1 of one
    that is not predicted either.  F1 = 2 right / (images + predictions of the class)."""
    right = np.bincount(labels[labels == predicted], minlength=n_classes)
    images = np.bincount(labels, minlength=n_classes)
    predictions = np.bincount(predicted, minlength=n_classes)
    with np.errstate(invalid="ignore"):
        return right / images, 2 * right / (images + predictions)


# Naeini et al. 2015, "Obtaining well calibrated probabilities using Bayesian binning"; in the form
# of Guo et al. 2017, "On calibration of modern neural networks", equation 3.  Bin m of BINS holds
# the n_m images whose confidence lies in ((m - 1) / BINS, m / BINS]:
#   ece = sum over m of n_m / N |right_m / n_m - confidence_m / n_m|,
# with the sums right_m, confidence_m over the bin; n_m cancels.
def expected_calibration_error(confidence, correct):
    """Mean distance of confidence and accuracy, 0..1; confidence [N] in 0..1, correct bool [N]."""
    confidence = np.asarray(confidence, np.float64)
    edges = np.arange(1, BINS) / BINS
    bins = np.searchsorted(edges, confidence, side="left")
    gaps = np.bincount(bins, np.asarray(correct, np.float64) - confidence, minlength=BINS)
    return float(np.abs(gaps).sum() / len(confidence))
