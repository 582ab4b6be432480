"""95 % intervals of an accuracy: Wilson's, or a bootstrap over groups."""

import math

import numpy as np

Z = 1.959963984540054  # the standard normal's 97.5 % point
RESAMPLES = 2000
SEED = 0
DRAWN = 1 << 18  # numbers of a resampling that are in memory at once


def accuracy_interval(correct, groups=None):
    """(low, high) of the accuracy, both in 0..1.

    correct: bool [N], N >= 1; groups: None, or the number of each image's group [N], where each of
    0..G-1 has an image.
    Images of one group (frames of one sign) are right or wrong together, so what varies from
    sample to sample is the group.  Where a group is one image, the images are independent trials
    and Wilson's interval holds; else groups are resampled.
    """
    correct = np.asarray(correct, bool)
    accuracy = float(correct.mean())
    if groups is None:
        return wilson(accuracy, len(correct))
    right, images = group_sums(correct, groups)  # [G], [G]
    if images.max() == 1:
        return wilson(accuracy, len(correct))
    low, high = bootstrap(right, images)
    # Where all groups are alike (or there is one), resampling sees no spread: fewer groups would
    # seem surer.  Wilson's, with a group as one trial, does not shrink to a point.
    return wilson(accuracy, len(images)) if low == high else (low, high)


def group_sums(correct, groups):
    """(right answers [G], images [G]) of the groups 0..G-1."""
    images = np.bincount(groups)
    return np.bincount(groups[correct], minlength=len(images)), images


# Wilson 1927, "Probable inference, the law of succession, and statistical inference", JASA 22;
# recommended by Brown, Cai & DasGupta 2001, "Interval estimation for a binomial proportion",
# equation 4.  It holds the p for which |accuracy - p| <= Z sqrt(p (1 - p) / n):
#   centre = (accuracy + Z^2 / 2n) / (1 + Z^2 / n)
#   half   = Z sqrt(accuracy (1 - accuracy) / n + Z^2 / 4n^2) / (1 + Z^2 / n)
def wilson(accuracy, n):
    """(low, high) for an accuracy over n independent trials."""
    scale = 1 + Z**2 / n
    centre = (accuracy + Z**2 / (2 * n)) / scale
    half = Z * math.sqrt(accuracy * (1 - accuracy) / n + Z**2 / (4 * n**2)) / scale
    # The ends are exactly 0 and 1 there, but for rounding.
    low = 0.0 if accuracy == 0 else max(0.0, centre - half)
    high = 1.0 if accuracy == 1 else min(1.0, centre + half)
    return low, high


# Percentile bootstrap over groups (Efron & Tibshirani 1993, chapters 8 and 13): draw G groups with
# replacement, accuracy = drawn right / drawn images, repeat, take the 2.5 % and 97.5 % points.
# Groups with equal (right, images) are interchangeable, so it is enough to draw how often each of
# the K different pairs comes: multinomial(G, share of each pair).  The distribution is the same,
# and thousands of tracks cost no more than the few pairs they have.
def bootstrap(right, images):
    """(low, high) by resampling groups, seeded; right, images: integers [G] of the G groups."""
    pairs, times = _pairs(right, images)
    rng = np.random.default_rng(SEED)
    accuracies = np.empty(RESAMPLES)
    step = max(1, DRAWN // len(pairs))  # drawn in pieces they are the same as drawn at once
    for start in range(0, RESAMPLES, step):
        size = min(step, RESAMPLES - start)
        drawn = rng.multinomial(len(right), times / len(right), size=size)  # [size, K]
        sums = drawn @ pairs  # [size, 2]
        accuracies[start : start + size] = sums[:, 0] / sums[:, 1]
    low, high = np.quantile(accuracies, [0.025, 0.975])
    return float(low), float(high)


def _pairs(right, images):
    """The K different (right, images) [K, 2], ascending, and how many groups have each [K]."""
    # As one number, which orders as the pair does: to sort pairs takes many times the memory.
    base = int(images.max()) + 1
    pairs, times = np.unique(right * base + images, return_counts=True)
    return np.stack(np.divmod(pairs, base), axis=1), times
