"""Two runs compared image by image: is one better, or can no difference be told?

Images that both runs answered are paired by id within a part; what is the same for both, as how
hard an image is, cancels.
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from transfer.errors import InputError, unknown
from transfer.reports.intervals import accuracy_interval, bootstrap
from transfer.reports.pairs import paired
from transfer.reports.runs import PARTS

LEVEL = 0.05  # of p, below which a difference is told
FEW = 0.5  # of the images of the larger run: fewer common ones are warned of


@dataclass(frozen=True)
class Comparison:
    """What the pairs of one part tell; fractions in 0..1, differences in -1..1, b less a.

    a, b: (accuracy, low, high); change: (difference, low, high), low and high None where all groups
    changed alike; b_only, a_only: images that only that run has right; p_images: exact McNemar's;
    p_groups: of the sign-flip test over groups, None where a group is an image; moved: the Moved
    classes, largest change first.
    """

    part: str
    n: int
    n_groups: int
    only_in_a: int
    only_in_b: int
    a: tuple
    b: tuple
    change: tuple
    a_only: int
    b_only: int
    p_images: float
    p_groups: float | None
    moved: list

    @property
    def p(self):
        """The p that decides: groups are what is independent."""
        return self.p_images if self.p_groups is None else self.p_groups


@dataclass(frozen=True)
class Moved:
    """A class whose recall changed: n images, of which a and b had so many right."""

    name: str
    n: int
    a: int
    b: int


def compare(a, b, rows_a, rows_b, part=None):
    """{part: Comparison} of the runs named `a` and `b`, with dicts of predictions.csv as rows.

    part: validation or test; None for each that both runs have.  Raises InputError where a part is
    unknown, where no image is in both, and where one image has two labels.
    """
    if part is not None and part not in PARTS:
        raise unknown("part", part, PARTS)
    found = [{row["split"] for row in rows} for rows in (rows_a, rows_b)]
    parts = [p for p in PARTS if all(p in f for f in found)] if part is None else [part]
    if not parts:
        raise InputError(
            f"{a} and {b} have no part in common: {a} has {_listed(found[0])}, {b} has "
            f"{_listed(found[1])}; compare runs of one dataset"
        )
    return {p: measured(p, paired(a, b, rows_a, rows_b, p)) for p in parts}


def measured(part, pairs):
    """The Comparison that `pairs` give."""
    change = pairs.right_b.astype(int) - pairs.right_a  # [n], -1, 0 or 1
    images = np.bincount(pairs.groups)  # [G]
    sums = np.rint(np.bincount(pairs.groups, change)).astype(int)  # [G]
    # One more right answer an image keeps the numerator from 0 on, where `bootstrap` wants it.
    low, high = (end - 1 for end in bootstrap(sums + images, images))
    is_known = low < high or not change.any()
    images_each = Counter(pairs.labels)
    a, b = (_right(pairs.labels, right) for right in (pairs.right_a, pairs.right_b))
    moved = [Moved(name, n, a[name], b[name]) for name, n in images_each.items()]
    return Comparison(
        part=part,
        n=len(change),
        n_groups=len(images),
        only_in_a=pairs.only_a,
        only_in_b=pairs.only_b,
        a=_accuracy(pairs.right_a, pairs.groups),
        b=_accuracy(pairs.right_b, pairs.groups),
        change=(float(change.mean()), *((low, high) if is_known else (None, None))),
        a_only=int((change < 0).sum()),
        b_only=int((change > 0).sum()),
        p_images=sign_flip_p(change),
        p_groups=sign_flip_p(sums) if images.max() > 1 else None,
        moved=sorted(
            (m for m in moved if m.a != m.b), key=lambda m: (-abs(m.b - m.a) / m.n, m.name)
        ),
    )


# If neither run is better, each group's sum s_g of changes is as likely -s_g (Fisher 1935, "The
# Design of Experiments", section 21).  T = sum of +-s_g has the characteristic function
#   phi(t) = product over g of cos(t s_g),
# so its 2S + 1 probabilities, S = sum |s_g|, are one inverse Fourier transform (Pagano & Tritchler
# 1983, "On obtaining permutation distributions in polynomial time", JASA 78): exact, nothing is
# drawn.  Where each s_g is -1, 0 or 1, T = right - wrong of a fair coin, and p is the exact test of
# McNemar 1947, "Note on the sampling error of the difference between correlated proportions".
def sign_flip_p(sums):
    """P(|T| >= |sum of `sums`|), two-sided, if the sign of each of the integers [G] is a fair
    coin's; exact but for rounding (1e-12)."""
    sizes, times = np.unique(np.abs(sums[sums != 0]), return_counts=True)
    most = int(sizes @ times)
    length = 2 * most + 1
    angles = np.arange(length) * (2 * np.pi / length)
    phi = np.ones(length)
    for size, count in zip(sizes, times, strict=True):
        phi *= np.cos(angles * size) ** count
    chances = np.fft.ifft(phi).real  # of T = 0, 1, ..., most, -most, ..., -1
    least = abs(int(sums.sum()))
    if least == 0:
        return 1.0
    return float(np.clip(2 * chances[least : most + 1].sum(), 0, 1))


def _accuracy(right, groups):
    return (float(right.mean()), *accuracy_interval(right, groups))


def _right(labels, right):
    return Counter(name for name, is_right in zip(labels, right, strict=True) if is_right)


def _listed(parts):
    return " and ".join(sorted(parts)) or "none"
