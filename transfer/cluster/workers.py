"""What runs on the machines of a cluster: actors that decode pictures, and that hold the network of
a device.  Faults of the input come back among the results, so that none is lost."""

from dataclasses import dataclass

import numpy as np
import ray

from transfer.cluster import files
from transfer.datasets.reading import decoder, images
from transfer.datasets.reading.images import Image
from transfer.errors import InputError
from transfer.features import announced, engines, instructions, streams
from transfer.features.announced import Announced
from transfer.features.choices import Choice
from transfer.features.extraction import Looking
from transfer.features.resizing import Square
from transfer.nets.cards import Card

LOOKED = 64  # pictures whose bytes are asked for together


@dataclass(frozen=True)
class Work:
    """What all machines do alike.  backbone, weights: {name: address} of a folder's files,
    the second for Keras alone."""

    choice: Choice
    card: Card
    backbone: dict
    weights: dict

    @property
    def square(self):
        return Square(self.choice.size, self.card.resize, self.card.crop)

    @property
    def pixels(self):
        """Bytes of what the network is shown of a picture."""
        return 3 * self.choice.size**2 * len(self.choice.views)


class Looker:
    """Reads and decodes; called with a plan's table, gives {place, view, pixels, fault} of its
    pictures.

    points: {address: Ray's reference to its seek points} of gzip files.
    """

    def __init__(self, work, points):
        self._looking = Looking(work.square, work.choice.views, work.choice.flip)
        self._size, self._points = work.square.size, lambda url: ray.get(points[url])

    def __call__(self, table):
        rows = table.to_pylist()
        count = sum(len(row["views"]) for row in rows)
        pixels = np.zeros((count, self._size, self._size, 3), np.uint8)
        keys, faults = [], []
        for start in range(0, len(rows), LOOKED):
            for key, square, fault in self._seen(rows[start : start + LOOKED]):
                if square is not None:
                    pixels[len(keys)] = square
                keys.append(key)
                faults.append(fault)
        places, views = zip(*keys, strict=True)
        return {
            "place": np.array(places, np.int64),
            "view": np.array(views, np.uint8),
            "pixels": pixels[: len(keys)],
            "fault": np.array(faults, object),
        }

    def _seen(self, rows):
        """Yields ((place, view), square, "") of each view of the pictures of `rows`, ((place, 0),
        None, a sentence) of one that can't be read; of the first alone where the files can't."""
        try:
            stored = iter(files.read([row for row in rows if row["url"]], self._points))
        except InputError as fault:
            yield (rows[0]["place"], 0), None, str(fault)
            return
        for row in rows:
            try:
                found = _looked(row, next(stored) if row["url"] else row["data"], self._looking)
            except InputError as fault:
                yield (row["place"], 0), None, str(fault)
            else:
                yield from (((row["place"], view), pixels, "") for view, pixels in found)


def _looked(row, stored, looking):
    """What extraction.Looking gives of the picture of `row`, whose file holds `stored`."""
    try:
        shape = tuple(row["shape"])
        data = images.unpacked(stored, row["packing"], row["size"], shape, row["planes"])
    except decoder.Unreadable as fault:
        raise InputError(f"{row['member']} can't be read: {fault}; run `dvc repro` again") from None
    image = Image("", row["member"], "", "", "", data)
    return looking(image, list(row["views"]), row["sha256"])


class Network:
    """The engine of one device; of what a Looker gives it gives {place, view, feature, fault}.

    expected: `facts` of the run, which this device's must be.
    """

    def __init__(self, work, expected):
        self._size, self._dtype, self._fault = work.square.size, np.dtype(work.choice.dtype), ""
        try:
            self._engine = opened(work)
            require_same(facts_here(work.choice, self._engine), expected)
        except InputError as fault:
            self._fault = str(fault)

    def __call__(self, batch):
        faults = np.array(batch["fault"], object)
        if self._fault:
            faults[:] = self._fault
        (sound,) = np.nonzero(faults == "")
        length = 1 if self._fault else self._engine.length
        features = np.zeros((len(faults), length), self._dtype)
        squares = ((row, batch["pixels"][row]) for row in sound.tolist())
        if len(sound):
            filled = streams.batches(squares, self._size, self._engine.batch)
            for rows, found in self._engine.stream(filled):
                features[rows] = found
        return {
            "place": batch["place"],
            "view": batch["view"],
            "feature": features,
            "fault": faults,
        }


def opened(work):
    """The engine.BaseEngine of `work` on this machine."""
    backbone = files.fetched(work.backbone)
    weights = files.fetched(work.weights) if work.weights else None
    return engines.opened(work.choice, work.card, backbone, weights)


def told(work, raw):
    """(Announced, facts, "") of this machine, once it has found the files `raw` and those of
    `work`; (None, {}, a sentence) where it can't compute."""
    try:
        files.require([*raw, *work.backbone.values(), *work.weights.values()])
        said, _ = announced.announce(work.choice, lambda: opened(work))
        said = Announced(said.versions, said.device, said.precision, said.batch)
        return said, facts_here(work.choice, said), ""
    except InputError as fault:
        return None, {}, str(fault)


def facts(choice, engine):
    """What of the recipe depends on a machine, by name; `engine`: a BaseEngine, or as announced."""
    return {
        "engine": choice.engine,
        "precision": engine.precision,
        "batch": engine.batch,
        "device": engine.device,
        **engine.versions,
        "decoder": decoder.VERSION,
    }


def facts_here(choice, engine):
    """`facts`, and what of this machine's CPU decides the last digits of features."""
    found = facts(choice, engine)
    if choice.engine == "openvino":
        found["instructions"] = ", ".join(instructions.here()) or "none of those that matter"
    return found


def require_same(found, expected, where="this machine of the cluster"):
    """Raises InputError where `found` differs from the `expected` facts."""
    other = [name for name in expected if found.get(name) != expected[name]]
    if other:
        told = ", ".join(f"{name} {found.get(name)} and not {expected[name]}" for name in other)
        raise InputError(
            f"{where} would compute other features: it has {told}; bring it to the same, or "
            f"take it out of the cluster"
        )
