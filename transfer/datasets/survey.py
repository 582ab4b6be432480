"""How an index comes about: every image is decoded once, judged, and given its part.

Memory holds numbers alone (draft.Numbers): some 180 bytes an image while near ones are looked
for, up to 200 were each a class and a track of its own, beside SQLite's caches and
the few images under way.
"""

from dataclasses import replace

import numpy as np

from transfer.datasets import duplicates, fingerprints, splits
from transfer.datasets import near as near_
from transfer.datasets.draft import NONE, OWN, Draft
from transfer.datasets.examination import examine
from transfer.datasets.judged import Judged
from transfer.datasets.knowledge import Knowledge
from transfer.datasets.reading import decoder
from transfer.errors import InputError


def build(found, source, *, strict, by, per_class, validation, test, seed, store=None):
    """(rows, notes): the Rows of the index of the images `found`, in their order, to go through as
    often as one likes, a Judged, and sentences to print.

    validation, test: fractions, None for those of `source`; store: the folder in which to keep what
    decoding taught, None to keep nothing; the rest as the keys of `split` in params.yaml.
    Raises InputError for two images of one id, fewer than two classes, a class without a usable
    image, what splits.assign refuses, a disk that can't take the draft, and, where `strict`, for
    the first problem.
    """
    draft = Draft()
    rules = f"{decoder.VERSION}, {decoder.REFUSALS}, {fingerprints.VERSION}"
    with Knowledge(store, rules) as knowledge:
        for batch in examine(found, knowledge):
            draft.add(*batch)
    rows = draft.numbers()
    _check_ids(rows)
    rivals = duplicates.rivals(rows)
    rows = replace(rows, bad=rows.bad | (rivals != NONE))
    groups = duplicates.groups(rows)
    near = near_.found(rows, draft.codes(), groups)
    if by == "group":  # by image is the course's way: copies alone
        groups = near.joined[groups]
    judged = Judged(draft, rows, rivals, groups, near)
    if strict:
        _refuse_problems(judged)
    _check_classes(judged, source.name)
    judged.splits = splits.assign(
        rows,
        judged.groups,
        by=by,
        per_class=per_class,
        validation=source.split["validation"] if validation is None else validation,
        test=source.split["test"] if test is None else test,
        seed=seed,
    )
    return judged, _notes(judged, source, by, per_class, validation, test)


def _check_ids(rows):
    counts = np.bincount(rows.id)
    times = counts.max(initial=0)
    if times > 1:
        first = np.argmax(counts[rows.id] == times)
        raise InputError(
            f"{times} images have the id {rows.row(first).id}; give the archives different folders"
        )


def _refuse_problems(judged):
    bad = np.flatnonzero(judged.rows.bad)
    if len(bad):
        raise InputError(
            f"{len(bad)} of {len(judged.rows)} images can't be used, the first "
            f"{judged.told(bad[0])}; mend or remove them, or set strict: false to set them aside"
        )


def _check_classes(judged, name):
    rows = judged.rows
    usable = np.bincount(rows.label[~rows.bad], minlength=rows.label.max(initial=NONE) + 1) > 0
    lost = np.flatnonzero(~usable[rows.label])
    if len(lost):
        raise InputError(
            f"dataset {name}: class {rows.row(lost[0]).label} has no usable image, the first "
            f"{judged.told(lost[0])}; mend or remove the class"
        )
    if len(usable) < 2:
        received = rows.row(0).label if len(rows) else "none"
        raise InputError(f"dataset {name} needs at least two classes; received {received}")
    good = np.flatnonzero(~rows.bad)
    first = np.empty(judged.groups.max() + 1, np.int32)  # [groups]
    first[judged.groups[good[::-1]]] = good[::-1]
    first = first[judged.groups[good]]
    astray = np.flatnonzero(rows.label[good] != rows.label[first])
    if len(astray):
        row, other = rows.row(good[astray[0]]), rows.row(first[astray[0]])
        group = judged.group(good[astray[0]])
        raise InputError(
            f"dataset {name}: track {group} spans the classes {other.label} and {row.label}; "
            "a track is of one class"
        )


def _notes(judged, source, by, per_class, validation, test):
    rows = judged.rows
    own = {OWN[part] for part in np.unique(rows.part)}
    drawn = {splits.SPLITS[split] for split in np.unique(judged.splits)}
    notes = [
        f"split.{part} is not used: {source.name} has a {part} part of its own"
        for part, given in (("validation", validation), ("test", test))
        if given is not None and part in own
    ]
    notes += [
        f"{source.name} has no {part} part: it is drawn from its train part"
        for part in ("validation", "test")
        if source.kind == "own" and own != {""} and part in drawn - own
    ]
    if by == "group" and rows.track.max() == NONE:
        notes.append(
            f"{source.name} knows no tracks: split.by group keeps only copies and "
            "near-duplicates together"
        )
    told = near_.note(judged.near, source.name)
    notes += [told] if told else []
    trained = np.bincount(rows.label[judged.splits == splits.SPLITS.index(splits.TRAIN)])
    short = [] if per_class == "all" else np.flatnonzero((trained > 0) & (trained < per_class))
    if len(short):
        least = short[np.argmin(trained[short])]
        label = rows.row(np.argmax(rows.label == least)).label
        notes.append(
            f"{len(short)} classes have fewer than {per_class} training images and use all they "
            f"have; the fewest: {label}, {trained[least]}"
        )
    return notes
