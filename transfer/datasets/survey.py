"""How an index comes about: every image is decoded once, judged, and given its part."""

import os
from collections import Counter, deque
from concurrent.futures import ThreadPoolExecutor

from tqdm import tqdm

from transfer.datasets import duplicates, splits
from transfer.datasets.index import Row
from transfer.datasets.knowledge import Knowledge
from transfer.datasets.reading import decoder, images
from transfer.errors import InputError


def build(found, source, *, strict, by, per_class, validation, test, seed, store=None):
    """(rows, notes): the index of the images `found`, in their order, and sentences to print.

    validation, test: fractions, None for those of `source`; store: the folder in which to keep what
    decoding taught, None to keep nothing; the rest as the keys of `split` in params.yaml.
    Raises InputError for two images of one id, fewer than two classes, a class without a usable
    image, what splits.assign refuses, and, where `strict`, for the first problem.
    """
    with Knowledge(store, decoder.VERSION) as knowledge:
        rows = examine(found, knowledge)
    own = {row.split for row in rows}
    tracked = any(row.group for row in rows)
    _check_ids(rows)
    rows = duplicates.groups(duplicates.set_aside(rows))
    if strict:
        _refuse_problems(rows)
    _check_classes(rows, source.name)
    rows = splits.assign(
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
        notes.append(f"{source.name} knows no tracks: split.by group keeps only copies together")
    short = splits.short_classes(rows, per_class)
    if short:
        least = min(short, key=lambda label: (short[label], label))
        notes.append(
            f"{len(short)} classes have fewer than {per_class} training images and use all they "
            f"have; the fewest: {least}, {short[least]}"
        )
    return rows, notes


def examine(found, knowledge):
    """Rows of the images `found`, with the source's part in `split`, the track in `group`, and in
    `problem` why one can't be decoded.  Images are decoded in threads, a bounded number at once."""
    workers = os.cpu_count() or 1
    rows, window = [], deque()
    with (
        ThreadPoolExecutor(workers) as pool,
        tqdm(desc="index", unit=" images", disable=None) as bar,
    ):
        for image in found:
            window.append(pool.submit(_row, image, knowledge))
            if len(window) >= 4 * workers:
                rows.append(window.popleft().result())
                bar.update()
        for job in window:
            rows.append(job.result())
            bar.update()
    return rows


def _row(image, knowledge):
    sha256 = images.digest(image)
    problem = _problem(image, sha256, knowledge)
    return Row(image.id, image.member, image.label, image.part, image.track, sha256, problem)


def _problem(image, sha256, knowledge):
    """Why `image` can't be decoded, or ""."""
    if not isinstance(image.data, bytes):
        return ""
    try:
        images.check_name(image)  # not kept: knowledge is about content, whatever its name
    except decoder.Unreadable as fault:
        return str(fault)
    problem = knowledge.get(sha256)
    if problem is None:
        problem = ""
        try:
            decoder.decode(image.data)
        except decoder.Unreadable as fault:
            problem = str(fault)
        knowledge.learn(sha256, problem)
    return problem


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
