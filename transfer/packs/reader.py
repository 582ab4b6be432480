"""Packs read as a map: features with their labels, ours or anybody's.

A pack is a pickle of a dict; `writer` tells how ours are laid out.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from transfer.errors import InputError
from transfer.packs import columns, views
from transfer.pickles.reader import load


@dataclass(frozen=True)
class Pack:
    """N rows of features; what only our own packs hold is None for the packs of others."""

    features: np.ndarray  # float32 [N, D], finite; for our packs a read-only view of the file
    labels: np.ndarray  # int64 [N], 0..C-1
    ids: np.ndarray | None  # str [N]
    groups: np.ndarray | None  # str [N]; rows of one group stay in one part of a split
    classes: list[str] | None  # C names
    recipe: dict | None  # what decides a feature besides the image
    further: tuple = ()  # of arrays as `features`, one for each further view of recipe["views"]

    @property
    def views(self):
        """A tuple of V >= 1 arrays float32 [N, D], by the views of the recipe: `features` first."""
        return (self.features, *self.further)


def read(path):
    """The Pack in `path`: ours, or anybody's dict of `features` and `labels`, of Python 2 or 3.

    Others' features may be [N, ...] of any float or integer kind, and labels [N] or [N, 1] of any
    integer kind, or a list; what is float32 or int64 already stays in the file, all else is copied
    into memory.  Runs nothing that the file may hold.  Raises InputError where it is
    not such a file, or its parts don't fit each other.
    """
    tree = load(Path(path))
    if not isinstance(tree, dict):
        raise InputError(
            f"{path} holds a {type(tree).__name__}; expected a pack, a dict of features and labels"
        )
    for key in ("features", "labels"):
        if key not in tree:
            has = ", ".join(repr(k) for k in list(tree)[:9]) or "none"
            raise InputError(
                f"{path} lacks the key {key!r}; it has {has}; write it with the extract stage"
            )
    labels = _labels(tree["labels"], path)
    features = _features(tree["features"], path, "features")
    ids, groups, classes, recipe = (tree.get(k) for k in ("ids", "groups", "classes", "recipe"))
    if classes is not None and not (
        isinstance(classes, list) and all(isinstance(c, str) for c in classes)
    ):
        raise InputError(f"{path}: classes must be a list of names")
    if recipe is not None and not isinstance(recipe, dict):
        raise InputError(f"{path}: recipe must be a dict, received a {type(recipe).__name__}")
    columns.check(path, len(features), labels, ids, groups, classes)
    views.require_listed(tree, recipe, path)
    keys = [views.FIRST, *map(views.key, views.further(recipe, path))]
    found = [features, *(_features(tree[key], path, key) for key in keys[1:])]
    for key, view in zip(keys, found, strict=True):
        if view.shape != features.shape:
            raise InputError(
                f"{path}: {key} must be {list(features.shape)}, as features are; received "
                f"{list(view.shape)}; extract it again"
            )
        _require_finite(view, path, key)
    labels = labels.astype(np.int64, copy=False)
    return Pack(features, labels, ids, groups, classes, recipe, tuple(found[1:]))


def _require_finite(features, path, key):
    step = max(1, columns.BLOCK // max(1, 4 * features.shape[1]))
    for start in range(0, len(features), step):
        columns.check_finite(features[start : start + step], start, path, key)


def _features(stored, path, key):
    """float32 [N, D] from an array [N, ...]: a view where it is float32 already."""
    if not isinstance(stored, np.ndarray) or stored.dtype.kind not in "fiu" or stored.ndim < 2:
        raise InputError(
            f"{path}: {key} must be an array [N, ...] of numbers; received {columns.kind(stored)}"
        )
    flat = stored.reshape(len(stored), int(np.prod(stored.shape[1:])))
    with np.errstate(over="ignore"):  # what float32 can't hold becomes inf, and is told as such
        return flat.astype(np.float32, copy=False)


def _labels(stored, path):
    """Integers [N] from [N], [N, 1] or a list."""
    if isinstance(stored, list) and all(type(label) is int for label in stored):
        stored = np.array(stored, dtype=np.int64 if all(abs(n) < 2**63 for n in stored) else "O")
    if isinstance(stored, np.ndarray) and stored.ndim == 2 and stored.shape[1] == 1:
        stored = stored[:, 0]
    if not isinstance(stored, np.ndarray) or stored.dtype.kind not in "iu" or stored.ndim != 1:
        raise InputError(
            f"{path}: labels must be integers, [N] or [N, 1]; received {columns.kind(stored)}"
        )
    return stored
