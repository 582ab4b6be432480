"""Transforms of features: what a head does to a row before its own arithmetic.

A transform ends with a shift and a scale of each feature that leave the training rows centred and
of mean squared length 1, so that one L2 penalty means the same for every net and transform.
"""

from dataclasses import dataclass

import numpy as np

from transfer.heads.methods.chunks import chunks

NAMES = ("none", "standardise", "power")
FLOOR = 0.01  # of a feature's standard deviation, in units of the root mean square of all of them
SHORTEST = np.float32(1e-12)  # length that a row of zeros is divided by


@dataclass(frozen=True, eq=False)
class Transform:
    """x [n, D] to (x, or its unit roots, - shift) scale; shift, scale: float64 [D]."""

    name: str
    shift: np.ndarray
    scale: np.ndarray

    @property
    def is_root(self):
        return self.name == "power"

    def __call__(self, x):
        """float32 [n, D] of rows x [n, D], a new array."""
        y = np.empty(x.shape, np.float32)
        for part in chunks(len(x)):
            rooted = unit_roots(x[part]) if self.is_root else x[part]
            y[part] = (rooted - self.shift) * self.scale
        return y


def unit_roots(x):
    """float32 [n, D]: sign(x) sqrt|x|, each row divided by its length; a row of zeros stays so.

    Perronnin, Sanchez & Mensink 2010, "Improving the Fisher Kernel for Large-Scale Image
    Classification", sections 3.2 and 3.3.  A length is sqrt(sum |x|) of the row.
    """
    size = np.abs(np.asarray(x, np.float32))  # [n, D]
    length = np.sqrt(size.sum(axis=1, keepdims=True))  # [n, 1]
    return np.sign(x, dtype=np.float32) * np.sqrt(size) / np.maximum(length, SHORTEST)


# mean, sd: of each feature over the training rows; `none` and `power` divide all features by one
# number, `standardise` each by its own.  In both cases
#   mean over rows of |(x - shift) scale|^2 = 1
# where no sd is below the floor.  The floor keeps a feature that is all but constant from being
# blown up; one that is constant gives 0, since x - shift is.
# No label is looked at, so rows that are held out of a fold may be among those measured here: what
# a fold then learns of them is the mean and the spread alone.
def fitted(name, x):
    """The Transform `name`, one of NAMES, measured on the training rows x [n, D]."""
    total, squares = np.zeros(x.shape[1]), np.zeros(x.shape[1])

    def row(part):
        return (unit_roots(x[part]) if name == "power" else x[part]).astype(np.float64)

    for part in chunks(len(x)):
        total += row(part).sum(axis=0)
    mean = total / len(x)
    for part in chunks(len(x)):
        squares += ((row(part) - mean) ** 2).sum(axis=0)
    sd = np.sqrt(squares / len(x))
    spread = np.sqrt((sd**2).sum()) or 1.0  # 0 where all rows are equal
    if name == "standardise":
        least = FLOOR * spread / np.sqrt(len(sd))
        scale = 1 / (np.maximum(sd, least) * np.sqrt(len(sd)))
    else:
        scale = np.full(len(sd), 1 / spread)
    return Transform(name, mean, scale)
