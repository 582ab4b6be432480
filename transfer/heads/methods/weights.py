"""How much the images of each class weigh in a fit."""

import numpy as np

NAMES = ("none", "balanced")


# Balanced: class c of n_c images gets n / (C n_c) an image, so that all classes weigh the same and
# the mean weight is 1; C counts the classes that have images.
def of_classes(labels, n_classes, how):
    """float64 [n_classes], the weight of an image of each class; `how`: none or balanced."""
    if how == "none":
        return np.ones(n_classes)
    counts = np.bincount(labels, minlength=n_classes)
    present = counts > 0
    return np.where(present, len(labels) / (present.sum() * np.maximum(counts, 1)), 0.0)
