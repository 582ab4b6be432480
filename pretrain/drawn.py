"""What the student is to tell of a view of a sign: the face, as seen from the front in plain light,
and what is written on it.  A drawing knows both for certain, so no teacher is asked."""

from dataclasses import dataclass

import numpy as np

from pretrain import components

_FITTED = 12_000  # faces that the components are of


@dataclass(frozen=True)
class Signs:
    """faces: float16 [V, K], principal components of the face, 0 in views of anything else; texts:
    int8 [V, places], numbers in faces.SIGNS, -1 in views of anything else."""

    faces: np.ndarray
    texts: np.ndarray

    def __getitem__(self, rows):
        return self.faces[rows], self.texts[rows]


def signs(faces, texts, count, whitened):
    """The Signs of faces uint8 [V, h, w, 3] and texts [V, places], as images.py wrote them, in
    `count` components (see components.fit)."""
    shown = np.flatnonzero(texts[:, 0] >= 0)
    flat = faces.reshape(len(faces), -1)
    found = components.fit(flat[shown[:_FITTED]].astype(np.float32), count, whitened)
    told = np.zeros((len(faces), count), np.float16)
    for some in np.array_split(shown, len(shown) // _FITTED + 1):
        told[some] = found(flat[some].astype(np.float32))
    return Signs(told, np.asarray(texts))
