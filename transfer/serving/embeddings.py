"""Packs as one Parquet file, for the tools that read those: one row an image."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from transfer.datasets.index import PARTS
from transfer.errors import InputError
from transfer.heads import trained
from transfer.packs import activations, views
from transfer.packs import reader as packs
from transfer.writing import replacing

BLOCK = 1 << 25  # bytes of features in one row group, which is in memory at a time
# Where dvc.yaml's stage `extract` writes them; a test compares.
FOLDER = Path("data/bottlenecks")
NAMES = {
    "train": "{net}_{dataset}_{per_class}_bottleneck_features_train.p",
    "validation": "{net}_{dataset}_bottleneck_features_validation.p",
    "test": "{net}_{dataset}_bottleneck_features_test.p",
}
CUTS = {
    "train": "{net}_{dataset}_{per_class}_activations_train",
    "validation": "{net}_{dataset}_activations_validation",
    "test": "{net}_{dataset}_activations_test",
}


def of_run(net, dataset, per_class):
    """{split: path} of the packs of the run that these params describe; InputError where one is
    not there."""
    paths = {}
    for part in PARTS:
        name = NAMES[part].format(net=net, dataset=dataset, per_class=per_class)
        paths[part] = FOLDER / name
        if not paths[part].is_file():
            raise InputError(f"{paths[part]} is not here; run `dvc repro extract`")
    return paths


def tuned(head, net, dataset, per_class):
    """[(split, Pack)] of the run that these params describe, whose features are what the tuned tail
    of `head`, a trained.Head, gives of the images as they are; computed as they are read.

    Raises InputError where a pack or its activations are not there, or are not what the head was
    trained on.
    """
    found = []
    for part, path in of_run(net, dataset, per_class).items():
        cut = FOLDER / CUTS[part].format(net=net, dataset=dataset, per_class=per_class)
        at_cut = activations.read(cut)
        plain = replace(
            at_cut, arrays=at_cut.arrays[:1], recipe=activations.of_views(at_cut.recipe, 1)
        )
        pack = activations.pack_of(packs.read(path), plain)
        trained.require_same_source(head, trained.HEAD, pack, cut)
        found.append((part, replace(pack, features=Embedded(head, pack.features))))
    return found


class Embedded:
    """float32 [N, d]: what `head` makes of activations [N, h w c], some rows at a time."""

    def __init__(self, head, rows):
        self._head, self._rows = head, rows
        self.shape = (len(rows), len(head.arrays["kernel"]))

    def __len__(self):
        return len(self._rows)

    def __getitem__(self, part):
        return self._head.embedded(self._rows[part])


def split_of(path):
    """The part that the name of a pack ends with, as all of ours do, else the name itself."""
    stem = Path(path).stem
    return next((part for part in PARTS if stem.endswith(f"_{part}")), stem)


def write(path, parts):
    """Writes the packs `parts`, a list of (split, path), or (split, Pack), one after another to the
    Parquet file `path`, whole or not at all; returns (rows, D).

    Columns: id, label (the class's name), number (the label in the pack), split, group, features,
    float32 [D], of the first view, and features_<view> of each further one; what a foreign pack
    lacks is null.  The schema's metadata hold `classes`
    and `recipe` as JSON, null where the packs have none.  Raises InputError where packs differ in
    D, classes or recipe, or a file can't be used.
    """
    path = Path(path)
    if path.suffix != ".parquet" or path.is_dir():
        raise InputError(f"{path} must be the name of a file that ends in .parquet")
    if not path.parent.is_dir():
        raise InputError(f"{path} can't be written: there is no folder {path.parent}; make it")
    read = [
        (split, pack if isinstance(pack, packs.Pack) else packs.read(pack)) for split, pack in parts
    ]
    _require_fit(parts, [pack for _, pack in read])
    first = read[0][1]
    schema = _schema(first, parts[0][1])
    with (
        replacing(path, "wb") as file,
        parquet.ParquetWriter(file, schema, use_dictionary=["label", "split", "group"]) as out,
    ):
        for split, pack in read:
            for batch in _batches(pack, split, schema):
                out.write_batch(batch)
    return sum(len(pack.labels) for _, pack in read), first.features.shape[1]


def _schema(pack, path):
    keys = (views.FIRST, *map(views.key, views.further(pack.recipe, path)))
    about = {
        "classes": json.dumps(pack.classes),
        "recipe": _text_of(pack.recipe, path),
    }
    return pa.schema(
        [
            ("id", pa.string()),
            ("label", pa.string()),
            ("number", pa.int64()),
            ("split", pa.string()),
            ("group", pa.string()),
            *((key, pa.list_(pa.float32(), pack.features.shape[1])) for key in keys),
        ],
        metadata=about,
    )


def _batches(pack, split, schema):
    """The rows of `pack` as record batches, of so many rows that memory stays flat."""
    rows, d = pack.features.shape
    step = max(1, BLOCK // max(1, 4 * d * len(pack.views)))
    classes = None if pack.classes is None else np.array(pack.classes, object)
    for start in range(0, rows, step):
        part = slice(start, min(rows, start + step))
        labels = pack.labels[part]
        n = len(labels)
        features = (pa.array(np.ascontiguousarray(view[part]).reshape(-1)) for view in pack.views)
        arrays = [
            _strings(pack.ids, part, n),
            pa.nulls(n, pa.string()) if classes is None else pa.array(classes[labels], pa.string()),
            pa.array(labels, pa.int64()),
            pa.array([split] * n, pa.string()),
            _strings(pack.groups, part, n),
            *(pa.FixedSizeListArray.from_arrays(view, d) for view in features),
        ]
        yield pa.record_batch(arrays, schema=schema)


def _strings(column, part, n):
    if column is None:
        return pa.nulls(n, pa.string())
    # Bytes that once were no UTF-8 stand in a string as surrogates, which Parquet can't hold.
    return pa.array([text.encode("utf-8", "replace").decode() for text in column[part].tolist()])


def _require_fit(parts, read):
    """InputError unless all packs have the length, the classes and the recipe of the first."""
    (_, first_path), first = parts[0], read[0]
    for (_, path), pack in zip(parts[1:], read[1:], strict=True):
        d, other = first.features.shape[1], pack.features.shape[1]
        for is_other, what in (
            (d != other, f"features of another length than {first_path}, {other} instead of {d}"),
            (pack.classes != first.classes, f"other classes than {first_path}"),
            (
                _text_of(pack.recipe, path) != _text_of(first.recipe, first_path),
                f"another recipe than {first_path}",
            ),
        ):
            if is_other:
                raise InputError(
                    f"{path} has {what}; they don't go into one file: `dvc repro extract` makes "
                    f"those of one run, `--pack` takes others one by one"
                )


def _text_of(recipe, path):
    """A recipe as JSON; a foreign pack's may be anything that lies in a dict."""
    try:
        return json.dumps(recipe, sort_keys=True)
    except (TypeError, ValueError):
        raise InputError(f"{path}: its recipe can't be written as JSON; leave it out") from None
