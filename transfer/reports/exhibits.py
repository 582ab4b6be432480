"""Which images the sheets show, and those images, made small as they are read."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
from PIL import Image

from transfer.datasets import sources
from transfer.datasets.reading import images, readers
from transfer.datasets.reading.decoder import Unreadable
from transfer.errors import InputError

MISTAKES = 25
IMAGES = 300  # of all classes together, about what a sheet can hold
EACH = range(3, 13)  # images a class, as many as IMAGES allows; fewer where there are fewer
SIDE = 96  # pixels


@dataclass(frozen=True)
class Exhibit:
    """An image by its id; predicted and probability: what the head says of it, where asked."""

    id: str
    label: str
    predicted: str = ""
    probability: float = 0.0


@dataclass(frozen=True)
class Mistakes:
    """The wrong answers on the n images of `part`: how many, and the ones given most surely, one of
    each group, since the frames of one sign look alike."""

    part: str
    n: int
    wrong: int
    surest: list[Exhibit]


def mistakes(part, n, rows):
    """The Mistakes on the n images of `part`, the surest first, at most MISTAKES.

    rows: yields, as dicts, the rows of `predictions.rows` whose answers are wrong.
    """
    surest, last, wrong = {}, None, 0  # {group: (what orders it, its Exhibit)}
    for row in rows:
        # The place in the part settles between images that are alike in all else.
        order = (-float(row["probability"]), str(row["id"]), wrong)
        wrong += 1
        if len(surest) == MISTAKES and order > last:
            continue
        if row["group"] not in surest or order < surest[row["group"]][0]:
            shown = Exhibit(order[1], row["label"], row["predicted"], -order[0])
            surest[row["group"]] = (order, shown)
        if len(surest) > MISTAKES:
            surest.pop(max(surest, key=lambda group: surest[group][0]))
        last = max(order for order, _ in surest.values())
    return Mistakes(part, n, wrong, [exhibit for _, exhibit in sorted(surest.values())])


def samples(listed, training):
    """{class: [Exhibit]} of training images, evenly spaced in the index, so that a class of tracks
    shows several.

    listed: yields the rows of the index; training: {class: how many training images they list}, in
    the order of the sheet.
    """
    each = min(max(IMAGES // max(1, len(training)), EACH.start), EACH.stop - 1)
    places = {name: _spaced(n, min(each, n)) for name, n in training.items()}
    found, passed = {name: [] for name in training}, Counter()
    for row in listed:
        if row.split == "train" and row.label in found:
            if passed[row.label] in places[row.label]:
                found[row.label].append(Exhibit(row.id, row.label))
            passed[row.label] += 1
    return found


def _spaced(n, few):
    return {i * n // few for i in range(few)}


def pictures(folder, raw, listed, *exhibits):
    """{id: Image RGB of at most SIDE x SIDE pixels, or the reason why it can't be read}.

    folder: the dataset folder; raw: the folder of its archives; listed: yields the rows of the
    index; exhibits: lists of Exhibits.  Raises InputError for an exhibit that the index does not
    list, and for faults of the files.
    """
    wanted = {exhibit.id for some in exhibits for exhibit in some}
    if not wanted:
        return {}
    places = {row.id: row.member for row in listed if row.id in wanted}
    missing = wanted - places.keys()
    if missing:
        raise InputError(
            f"the packs hold {len(missing)} images that the index does not list, such as "
            f"{min(missing)}; run `dvc repro`"
        )
    ids = {places[id_]: id_ for id_ in wanted}
    found = readers.read(sources.load(folder), folder, raw, set(ids))
    return {ids[image.member]: _small(image) for image in found}


def _small(image):
    try:
        picture = Image.fromarray(np.ascontiguousarray(images.pixels(image)))
    except Unreadable as reason:
        return str(reason)
    scale = SIDE / max(picture.size)
    size = tuple(max(1, round(side * scale)) for side in picture.size)
    return picture.resize(size, Image.Resampling.LANCZOS if scale < 1 else Image.Resampling.BICUBIC)
