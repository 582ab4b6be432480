"""The principal components of a teacher's layer, in which the student is to agree with it.

With X = U S V' of the centred features [n, D], component j is x . v_j, of standard deviation
s_j / sqrt(n).  Divided by a power of it between 0 (as large as the teacher has it) and 1 (as large
as any other), what all pictures share weighs less in a squared error than what tells them apart,
and noise weighs little still.  All are scaled to a mean variance of 1.
"""

from dataclasses import dataclass

import numpy as np

from transfer.errors import InputError


@dataclass(frozen=True)
class Components:
    """What takes features [n, D] to components [n, K]: (x - mean) @ axes, float32."""

    mean: np.ndarray
    axes: np.ndarray  # [D, K]

    def __call__(self, features):
        return (features - self.mean) @ self.axes


def fit(features, count, whitened):
    """The `count` principal Components of `features` [n, D], each divided by its standard deviation
    to the power of `whitened`.

    Raises InputError where there are not so many.
    """
    if count > features.shape[1]:
        raise InputError(
            f"{count} components are asked for of a layer that has {features.shape[1]}; ask for "
            f"fewer in pretrain/params.yaml"
        )
    mean = features.mean(axis=0)
    centred = (features - mean).astype(np.float64)
    variance, vectors = np.linalg.eigh(centred.T @ centred / len(centred))
    largest = slice(-1, -count - 1, -1)
    variance, vectors = np.maximum(variance[largest], 1e-12), vectors[:, largest]
    scale = variance ** (-whitened / 2)
    scale /= np.sqrt((variance * scale**2).mean())
    return Components(mean.astype(np.float32), (vectors * scale).astype(np.float32))
