"""The columns of a pack, features, labels, ids and groups, and whether they fit each other."""

import numpy as np

from transfer.errors import InputError

BLOCK = 1 << 22  # bytes of features looked at in one go


def check(path, rows, labels, ids, groups, classes):
    """Raises InputError where the columns of a pack of `rows` features don't fit each other."""
    if labels.dtype.kind not in "iu" or labels.ndim != 1:
        raise InputError(f"{path}: labels must be integers [N]; received {kind(labels)}")
    for name, column in (("labels", labels), ("ids", ids), ("groups", groups)):
        if name != "labels" and column is None:
            continue
        if name != "labels" and (
            not isinstance(column, np.ndarray) or column.dtype.kind != "U" or column.ndim != 1
        ):
            raise InputError(f"{path}: {name} must be strings [N]; received {kind(column)}")
        if len(column) != rows:
            raise InputError(
                f"{path} holds {rows} features and {len(column)} {name}; expected as many;"
                " extract it again"
            )
    if not rows:
        return
    least, most = int(labels.min()), int(labels.max())
    limit = 2**31 if classes is None else len(classes)
    if least < 0 or most >= limit:
        raise InputError(
            f"{path} holds the label {least if least < 0 else most}; expected 0 to {limit - 1}"
            f"{'' if classes is None else f' for its {limit} classes'}"
        )


def check_finite(features, start, path):
    bad = ~np.isfinite(features)
    if bad.any():
        row, column = np.argwhere(bad)[0]
        raise InputError(
            f"{path}: feature {column} of row {start + row} is {features[row, column]}; expected"
            " finite numbers; check the image and the weights that it comes from"
        )


def kind(value):
    if isinstance(value, np.ndarray):
        return f"{'objects' if value.dtype.hasobject else value.dtype} {list(value.shape)}"
    return f"a {type(value).__name__}"
