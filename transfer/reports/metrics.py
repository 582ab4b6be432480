"""How good the answers of a head are: one flat dict for each part of the data."""

import numpy as np

from transfer.reports.intervals import accuracy_interval

BINS = 15  # of equal width, of the top-1 confidence


def measure(answers):
    """{metric: value} of the Answers to N >= 1 images.

    accuracy with its 95 % ends accuracy_low and accuracy_high (groups are what is resampled), top5
    where C > 5, macro_f1 and balanced_accuracy (means over the classes that have an image, since
    one without has no recall), log_loss in nats, ece, ece_by_chance (what it would be on average
    were each confidence right), n and n_groups.
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
        "ece_by_chance": calibration_error_by_chance(answers.confidence),
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
    gaps = np.asarray(correct, np.float64) - confidence
    return float(np.abs(_sums(confidence, gaps)).sum() / len(confidence))


# Few images are never right by exactly their confidence.  Where each is right with a chance of
# c_i, right_m - confidence_m has mean 0 and variance v_m = sum over the bin of c_i (1 - c_i), is
# about normal, and so is sqrt(2 v_m / pi) away from 0 on average.
def calibration_error_by_chance(confidence):
    """The mean `expected_calibration_error` of a head whose every confidence is right, 0..1."""
    confidence = np.asarray(confidence, np.float64)
    variances = _sums(confidence, confidence * (1 - confidence))
    return float(np.sqrt(2 / np.pi * np.maximum(variances, 0)).sum() / len(confidence))


def _sums(confidence, values):
    """The sums [BINS] of `values` [N] over the images of each bin."""
    edges = np.arange(1, BINS) / BINS
    return np.bincount(np.searchsorted(edges, confidence, side="left"), values, minlength=BINS)
