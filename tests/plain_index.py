"""The index by lists of rows and dicts, with no thought of memory: what transfer.datasets.survey
must give, row for row and word for word."""

from collections import Counter, defaultdict
from dataclasses import replace
from fractions import Fraction
from hashlib import sha256

from transfer.datasets import fingerprints, nearness
from transfer.datasets.index import SET_ASIDE, Row
from transfer.datasets.reading import decoder, images
from transfer.datasets.splits import TEST, TRAIN, UNUSED, VALIDATION, exact
from transfer.errors import InputError


def build(found, source, *, strict, by, per_class, validation, test, seed):
    """(rows, notes), as survey.build."""
    rows = [_row(image) for image in found]
    codes = {row.sha256: _code(row, image) for row, image in zip(rows, found, strict=True)}
    own = {row.split for row in rows}
    tracked = any(row.group for row in rows)
    _check_ids(rows)
    tracks = {row.group for row in rows} - {""}
    parts = {row.id: row.split for row in rows}
    rows = groups(set_aside(rows))
    told = near_note(rows, codes, parts, source.name)
    if by == "group":
        rows = joined(rows, codes, tracks)
    if strict:
        _refuse_problems(rows)
    _check_classes(rows, source.name)
    rows = assign(
        rows,
        by=by,
        per_class=per_class,
        validation=source.split["validation"] if validation is None else validation,
        test=source.split["test"] if test is None else test,
        seed=seed,
    )
    notes = [
        f"split.{part} is not used: {source.name} has a {part} part of its own"
        for part, given in (("validation", validation), ("test", test))
        if given is not None and part in own
    ]
    notes += [
        f"{source.name} has no {part} part: it is drawn from its train part"
        for part in ("validation", "test")
        if source.kind == "own"
        and own != {""}
        and part not in own
        and any(r.split == part for r in rows)
    ]
    if by == "group" and not tracked:
        notes.append(
            f"{source.name} knows no tracks: split.by group keeps only copies and "
            "near-duplicates together"
        )
    notes += [told] if told else []
    short = short_classes(rows, per_class)
    if short:
        least = min(short, key=lambda label: (short[label], label))
        notes.append(
            f"{len(short)} classes have fewer than {per_class} training images and use all they "
            f"have; the fewest: {least}, {short[least]}"
        )
    return rows, notes


def _row(image):
    problem = ""
    if isinstance(image.data, bytes):
        try:
            images.pixels(image)
        except decoder.Unreadable as fault:
            problem = str(fault)
    digest = images.digest(image)
    return Row(image.id, image.member, image.label, image.part, image.track, digest, problem)


def _code(row, image):
    """The fingerprint as a number, 0 for none."""
    if row.problem:
        return 0
    (code,) = fingerprints.of_squares([fingerprints.square(images.pixels(image))])
    return int.from_bytes(code)


def near_pairs(rows, codes):
    """All pairs of rows that are near, by looking at each."""
    good = [row for row in rows if not row.problem and codes[row.sha256]]
    return [
        (one, other)
        for i, one in enumerate(good)
        for other in good[:i]
        if (codes[one.sha256] ^ codes[other.sha256]).bit_count() <= nearness.DISTANCE
    ]


def near_note(rows, codes, parts, name):
    """The sentence on sets of rows that hang together by pairs of other groups."""
    members = {row.group: {row.group} for row in rows}
    for one, other in near_pairs(rows, codes):
        both = members[one.group] | members[other.group]
        members.update(dict.fromkeys(both, both))
    sets = {frozenset(both) for both in members.values() if len(both) > 1}
    spans = []
    for both in sets:
        inside = [row for row in rows if not row.problem and row.group in both]
        ranks = {_RANK.get(parts[row.id]) for row in inside}
        spans.append([len({row.label for row in inside}), len(ranks)])
    labels, of_parts = (sum(span[i] > 1 for span in spans) for i in (0, 1))
    return sets and (
        f"{name} has {len(sets)} sets of near-duplicates, {labels} of them across labels and "
        f"{of_parts} across parts of the source"
    )


def joined(rows, codes, tracks):
    """Rows with one group for what is near, of one label and part, and of no track."""
    members = {row.group: {row.group} for row in rows}
    for one, other in near_pairs(rows, codes):
        alike = one.label == other.label and _RANK.get(one.split) == _RANK.get(other.split)
        if alike and not {one.group, other.group} & tracks:
            both = members[one.group] | members[other.group]
            members.update(dict.fromkeys(both, both))
    return [replace(row, group=min(members[row.group])) for row in rows]


def _check_ids(rows):
    id_, times = Counter(row.id for row in rows).most_common(1)[0] if rows else ("", 0)
    if times > 1:
        raise InputError(f"{times} images have the id {id_}; give the archives different folders")


def _refuse_problems(rows):
    bad = [row for row in rows if row.problem]
    if bad:
        raise InputError(
            f"{len(bad)} of {len(rows)} images can't be used, the first {bad[0].id}: "
            f"{bad[0].problem}; mend or remove them, or set strict: false to set them aside"
        )


def _check_classes(rows, name):
    good = {row.label for row in rows if not row.problem}
    for row in rows:
        if row.label not in good:
            raise InputError(
                f"dataset {name}: class {row.label} has no usable image, the first {row.id}: "
                f"{row.problem}; mend or remove the class"
            )
    if len(good) < 2:
        received = ", ".join(sorted(good)) or "none"
        raise InputError(f"dataset {name} needs at least two classes; received {received}")
    labels = {}
    for row in rows:
        if not row.problem and labels.setdefault(row.group, row.label) != row.label:
            raise InputError(
                f"dataset {name}: track {row.group} spans the classes {labels[row.group]} and "
                f"{row.label}; a track is of one class"
            )


# A part that is judged later keeps its copy: test before validation before what is trained on.
_RANK = {"test": 2, "validation": 1}


def set_aside(rows):
    by_content = {}
    for row in rows:
        if not row.problem:
            by_content.setdefault(row.sha256, []).append(row)
    # Once a content, not once a row: of 100,000 copies each would look at all the others.
    rivals = {sha256: _rivals(rows) for sha256, rows in by_content.items() if len(rows) > 1}
    return [
        _judged(row, *rivals[row.sha256]) if not row.problem and row.sha256 in rivals else row
        for row in rows
    ]


def _rivals(copies):
    """The two first (label, id) of different labels, and the row of the part judged last."""
    first = {}
    for copy in sorted(copies, key=lambda copy: (copy.label, copy.id)):
        first.setdefault(copy.label, copy.id)
    last = max(copies, key=lambda copy: (_RANK.get(copy.split, 0), copy.id))
    return sorted(first.items())[:2], last


def _judged(row, labels, last):
    for label, id_ in labels:
        if label != row.label:
            return replace(row, problem=f"{SET_ASIDE} under another label: {label} ({id_})")
    if _RANK.get(last.split, 0) > _RANK.get(row.split, 0):
        place = f"in the source's {last.split} part: {last.id}"
        return replace(row, problem=f"{SET_ASIDE} {place}")
    return row


def groups(rows):
    parent = {}

    def root(node):
        while parent.setdefault(node, node) != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for row in rows:
        own, content = root(_node(row)), root((1, row.sha256[:16]))
        if not row.problem and own != content:
            # The smaller node becomes the root: a track's name before a hash, then by spelling.
            parent[max(own, content)] = min(own, content)
    return [replace(row, group=root(_node(row))[1]) for row in rows]


def _node(row):
    return (0, row.group) if row.group else (1, row.sha256[:16])


def assign(rows, *, by, per_class, validation, test, seed):
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


def short_classes(rows, per_class):
    """{class: its number of training rows} of the classes below the ceiling `per_class`, sorted."""
    if per_class == "all":
        return {}
    counts = Counter(row.label for row in rows if row.split == TRAIN)
    return {label: n for label, n in sorted(counts.items()) if n < per_class}
