"""Asks each teacher about each view, at the size that params.yaml says.

Reads data/views.npy.  Writes data/targets/<net>.npy, float16 [V, cells * K of all layers], and
data/targets/columns.json: for each net [layer, cells, K] of each layer, and teachers.json: whose
weights they had.  Killed, it goes on where it was.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import yaml
from tqdm import tqdm

from pretrain import arrays, components, resuming
from pretrain.places import CARDS, COLUMNS, TARGETS, TAUGHT_BY, VIEWS
from transfer import errors
from transfer.datasets.rendering import calibration
from transfer.downloads import fetching, manifests, mirrors
from transfer.features.engine import BATCH, Engine
from transfer.features.resizing import Square
from transfer.nets import cards, conversion, graphs, quantisation
from transfer.nets.layers import parsed
from transfer.writing import replacing, write_json

_CHUNK = 5000  # views between two commits


def main():
    given = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))["teachers"]
    views = np.load(VIEWS, mmap_mode="r")
    TARGETS.mkdir(parents=True, exist_ok=True)
    common = {key: value for key, value in given.items() if key != "nets"}
    columns, places = {}, {}
    code, seen, weights = (__file__, components.__file__), resuming.identity(VIEWS), {}
    for net, asked in given["nets"].items():
        teacher = Teacher(net, asked, given["precision"])
        weights[net] = teacher.weights
        place = resuming.folder("teachers", code, asked, common, seen, teacher.identity)
        columns[net] = [
            [layer, parsed(layer)[1] ** 2, count] for layer, count in asked["layers"].items()
        ]
        _answer(teacher, asked, given, views, place)
        places[net] = place
    for net, place in places.items():
        shutil.copyfile(place / "targets.npy", TARGETS / f"{net}.npy")
    write_json(TARGETS / COLUMNS, columns)
    write_json(TAUGHT_BY, weights)
    print(f"teachers: {len(views):,} views; {columns}")


class Teacher:
    """A net of models/cards, compiled for `asked` (its part of params.yaml), with its weights from
    the mirror or the public address; called with views uint8 [n, H, W, 3] it gives a list of
    float32 [n, cells, D], one for each layer asked for.

    weights: the line of its file for a manifest; identity: what tells it from another.
    """

    def __init__(self, net, asked, precision):
        card = cards.load(CARDS / f"{net}.yaml")
        weights, backbone = Path("data/weights") / net, Path("data/backbones") / net
        weights.mkdir(parents=True, exist_ok=True)
        mirror = mirrors.find("")
        got = fetching.fetch(fetching.available(card.weights, mirror), weights, mirror, pin=net)
        manifests.write(weights, manifests.origin_of([got]), [got])
        self.weights = got
        depths, _ = conversion.convert(card, weights, backbone)
        self._square = Square(asked["size"], card.resize)
        if precision == "int8":
            quantisation.quantise(backbone, [self._square(p) for p in calibration.pictures()])
        layers = [parsed(name) for name in asked["layers"]]
        graph = graphs.open_pooled(backbone, layers, asked["size"], BATCH, precision)
        self._engine = Engine(graph, precision)
        self.identity = [graphs.graph_of(graphs.read_about(backbone), precision), card.resize]
        self._shapes = [(cells**2, depths[name]) for name, cells in layers]

    def __call__(self, views):
        found = np.concatenate([part for _, part in self._engine.stream(self._batches(views))])
        ends = np.cumsum([cells * depth for cells, depth in self._shapes])[:-1]
        parts = np.split(found, ends, axis=1)
        return [
            part.reshape(len(views), *shape)
            for part, shape in zip(parts, self._shapes, strict=True)
        ]

    def _batches(self, views):
        for start in range(0, len(views), BATCH):
            some = views[start : start + BATCH]
            images = np.zeros((BATCH, self._square.size, self._square.size, 3), np.uint8)
            images[: len(some)] = [self._square(view) for view in some]
            yield range(len(some)), images


def _answer(teacher, asked, given, views, place):
    """Fills place/targets.npy, from where an earlier try stopped."""
    counts = list(asked["layers"].values())
    fitted = _fitted(teacher, views[: given["fitted"]], counts, given["whitened"], place)
    path, state = place / "targets.npy", place / "state.json"
    if not (state.is_file() and path.is_file()):
        total = sum(one.axes.shape[1] * parsed(layer)[1] ** 2
                    for one, layer in zip(fitted, asked["layers"], strict=True))  # fmt: skip
        arrays.created(path, np.float16, (len(views), total)).flush()
        write_json(state, {"done": 0})
    out = np.lib.format.open_memmap(path, "r+")
    begun = json.loads(state.read_text(encoding="utf-8"))["done"]
    with tqdm(
        total=len(views), initial=begun, desc=place.name, unit=" views", mininterval=9
    ) as bar:
        for start in range(begun, len(views), _CHUNK):
            chunk = views[start : start + _CHUNK]
            found = [
                one(part).reshape(len(chunk), -1)
                for one, part in zip(fitted, teacher(chunk), strict=True)
            ]
            out[start : start + len(chunk)] = np.concatenate(found, axis=1)
            out.flush()
            write_json(state, {"done": start + len(chunk)})
            bar.update(len(chunk))


def _fitted(teacher, views, counts, whitened, place):
    """The Components of each layer, which its cells share; kept for the next try."""
    path = place / "components.npz"
    if not path.is_file():
        kept = {}
        for number, (part, count) in enumerate(zip(teacher(views), counts, strict=True)):
            found = components.fit(part.reshape(-1, part.shape[-1]), count, whitened)
            kept |= {f"mean{number}": found.mean, f"axes{number}": found.axes}
        with replacing(path, "wb") as file:
            np.savez(file, **kept)
    with np.load(path) as kept:
        return [
            components.Components(kept[f"mean{i}"], kept[f"axes{i}"]) for i in range(len(counts))
        ]


if __name__ == "__main__":
    errors.run(main)
