"""Which images the sheets show, and those images, made small as they are read."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from transfer.datasets import sources
from transfer.datasets.reading import images, readers
from transfer.datasets.reading.decoder import Unreadable
from transfer.errors import InputError
from transfer.reports import plots, predictions

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


def mistakes(rows):
    """The Mistakes on the images that `plots.confusion` shows, the surest first, at most MISTAKES.

    rows: those of `predictions.table`.
    """
    part, found = plots.shown(rows)
    told = [dict(zip(predictions.COLUMNS, row, strict=True)) for row in found]
    wrong = [row for row in told if row["label"] != row["predicted"]]
    surest = {}  # group: its row
    for row in sorted(wrong, key=lambda row: (-float(row["probability"]), str(row["id"]))):
        surest.setdefault(row["group"], row)
    shown = [
        Exhibit(str(row["id"]), row["label"], row["predicted"], float(row["probability"]))
        for row in surest.values()
    ]
    return Mistakes(part, len(found), len(wrong), shown[:MISTAKES])


def samples(listed, classes):
    """{class: [Exhibit]} of training images, evenly spaced in the index, so that a class of tracks
    shows several.  listed: the rows of the index; classes: names, in the order of the sheet."""
    each = min(max(IMAGES // max(1, len(classes)), EACH.start), EACH.stop - 1)
    training = {name: [] for name in classes}
    for row in listed:
        if row.split == "train" and row.label in training:
            training[row.label].append(Exhibit(row.id, row.label))
    return {name: _spaced(found, min(each, len(found))) for name, found in training.items()}


def _spaced(found, n):
    return [found[i * len(found) // n] for i in range(n)]


def pictures(folder, raw, listed, *exhibits):
    """{id: Image RGB of at most SIDE x SIDE pixels, or the reason why it can't be read}.

    folder: the dataset folder; raw: the folder of its archives; listed: the rows of the index;
    exhibits: lists of Exhibits.  Raises InputError for an exhibit that the index does not list,
    and for faults of the files.
    """
    wanted = {exhibit.id for some in exhibits for exhibit in some}
    if not wanted:
        return {}
    places = {row.id: row.member for row in listed}
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
