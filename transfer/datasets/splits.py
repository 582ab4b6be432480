"""Who is trained on and who is judged by: exact and stable parts of the good rows.

Within a class, units (groups, or images with their exact copies) are ranked by a hash of the seed
and their content, and parts are cut by rank: test, then validation, then training.  So counts are
right to one unit, names and order of files play no part, and an added image moves only units at a
boundary.  Rows come with the source's own part, or "", in `split`.
"""

from collections import Counter, defaultdict
from dataclasses import replace
from fractions import Fraction
from hashlib import sha256

from transfer.errors import InputError

TRAIN, VALIDATION, TEST, UNUSED = "train", "validation", "test", "unused"


def assign(rows, *, by, per_class, validation, test, seed):
    """`rows` with their final `split`: "train", "validation", "test", "unused" (beyond the ceiling
    `per_class`, a number or "all"), or "" for a row with a problem.

    by: "group" or "image"; validation, test: fractions of a class, of 0 <= f and together below 1,
    of which a part that the source has itself is not drawn.
    Raises InputError for bad fractions and for a class without a training image.
    """
    own = {row.split for row in rows}
    cuts = [(part, exact(fraction)) for part, fraction in ((TEST, test), (VALIDATION, validation))]
    cuts = [(part, fraction) for part, fraction in cuts if part not in own]
    if sum(fraction for _, fraction in cuts) >= 1:
        raise InputError(
            f"split.validation {validation} and split.test {test} must be less than 1 together; "
            "they leave nothing to train on"
        )
    drawn, classes = {}, defaultdict(list)
    for row in rows:
        if row.problem:
            drawn[row.id] = ""
        elif row.split in (TEST, VALIDATION):
            drawn[row.id] = row.split
            classes[row.label] += []
        else:
            classes[row.label].append(row)
    for label, members in sorted(classes.items()):
        parts = _cut(_ranked(members, by, seed), cuts)
        if not parts[TRAIN]:
            raise InputError(
                f"class {label} has no training image left of {len(members)} that parts are drawn "
                "from; add images or lower split.validation and split.test"
            )
        for part in (TEST, VALIDATION):
            drawn.update((row.id, part) for unit in parts[part] for row in unit)
        in_turn = _round_robin(parts[TRAIN], seed)
        ceiling = len(in_turn) if per_class == "all" else per_class
        drawn.update((row.id, TRAIN if i < ceiling else UNUSED) for i, row in enumerate(in_turn))
    return [replace(row, split=drawn[row.id]) for row in rows]


def short_classes(rows, per_class):
    """{class: its number of training rows} of the classes below the ceiling `per_class`, sorted."""
    if per_class == "all":
        return {}
    counts = Counter(row.label for row in rows if row.split == TRAIN)
    return {label: n for label, n in sorted(counts.items()) if n < per_class}


def exact(fraction):
    """The Fraction that a float's decimal digits say: .1 + .2 must cut where .3 does."""
    return Fraction(str(fraction))


def _ranked(rows, by, seed):
    """Units (lists of rows) of one class in the order of the hash of seed and content."""
    units = defaultdict(list)
    for row in rows:
        units[row.group if by == "group" else row.sha256].append(row)
    return sorted(units.values(), key=lambda unit: _hash(seed, min(row.sha256 for row in unit)))


def _cut(units, cuts):
    """{part: units}: a unit goes where the middle of its images lies among the n of the class."""
    n = sum(len(unit) for unit in units)
    parts, before = {TEST: [], VALIDATION: [], TRAIN: []}, 0
    for unit in units:
        middle, end = before + Fraction(len(unit), 2), Fraction()
        before += len(unit)
        for part, fraction in cuts:
            end += fraction * n
            if middle < end:
                parts[part].append(unit)
                break
        else:
            parts[TRAIN].append(unit)
    return parts


def _round_robin(units, seed):
    """Rows of `units`, one of each in turn, so that a ceiling takes from every track."""
    # Copies have the same hash: ids keep their order the same for any order of the files.
    columns = [sorted(unit, key=lambda row: (_hash(seed, row.sha256), row.id)) for unit in units]
    places = ((i, c) for c, column in enumerate(columns) for i in range(len(column)))
    return [columns[c][i] for i, c in sorted(places)]


def _hash(seed, content):
    return sha256(f"{seed} {content}".encode()).hexdigest()
