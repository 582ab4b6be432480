"""The images that two runs answered, paired by id."""

from dataclasses import dataclass

import numpy as np

from transfer.errors import InputError


@dataclass(frozen=True)
class Pairs:
    """The images that both runs answered, in one part, by ascending id.

    right_a, right_b: bool [n]; groups: integers [n], of which each of 0..G-1 has an image; labels:
    names [n]; only_a, only_b: how many images only that run has.
    """

    right_a: np.ndarray
    right_b: np.ndarray
    groups: np.ndarray
    labels: list
    only_a: int
    only_b: int


def paired(a, b, rows_a, rows_b, part):
    """The Pairs of one part.

    a, b: the runs' names, rows: dicts of predictions.csv.

    Raises InputError where no image is in both, an id stands twice or has two labels.
    """
    of_a, of_b = (_by_id(*run, part) for run in ((a, rows_a), (b, rows_b)))
    ids = sorted(of_a.keys() & of_b.keys())
    if not ids:
        raise InputError(
            f"no {part} image is both in {a} ({len(of_a)} images) and in {b} ({len(of_b)}); "
            "compare runs of one dataset and one split"
        )
    both = [(of_a[id_], of_b[id_]) for id_ in ids]
    for id_, (one, other) in zip(ids, both, strict=True):
        if one["label"] != other["label"]:
            raise InputError(
                f"the {part} image {id_} is {one['label']} in {a} and {other['label']} in {b}: "
                "their datasets differ, or its label was corrected between them; then run the "
                "older one again"
            )
    runs = list(zip(*both, strict=True))
    right = [[row["label"] == row["predicted"] for row in rows] for rows in runs]
    numbered = [np.unique([row["group"] for row in rows], return_inverse=True)[1] for rows in runs]
    # Where the runs grouped otherwise, the coarser groups: fewer independent ones claim less.
    groups = min(numbered, key=lambda numbers: int(numbers.max()))
    only = len(of_a) - len(ids), len(of_b) - len(ids)
    return Pairs(*map(np.array, right), groups, [one["label"] for one, _ in both], *only)


def _by_id(name, rows, part):
    found = {row["id"]: row for row in rows if row["split"] == part}
    count = sum(row["split"] == part for row in rows)
    if len(found) != count:
        raise InputError(
            f"{name} has {count - len(found)} {part} rows whose id stands in another row too; run "
            f"{name} again"
        )
    return found
