"""One net's contest: the stage `extract`, Keras and the compiled network, round by round."""

import shutil
import sys
import tempfile
from dataclasses import dataclass, field

from bench import preparation
from bench.preparation import ALL, PLAIN
from transfer.features.engine import BATCH

BATCHES = (8, 16, 32, 64)  # of Keras
PROBE_IMAGES, PROBE_SECONDS = 64, 2.0  # to find Keras' best batch, and what bare does
BARE = 4  # its rate is steady at once: it is measured for a quarter of the time of the others


@dataclass
class Figures:
    """Of one net, dataset and precision, a value a round.  ours, keras, bare: images/s; network,
    decode, extract: core-milliseconds an image; start: seconds of ours for one batch alone;
    precision: what the device really runs."""

    images: int
    precision: str
    ours: list = field(default_factory=list)
    keras: list = field(default_factory=list)
    bare: list = field(default_factory=list)
    network: list = field(default_factory=list)
    decode: list = field(default_factory=list)
    extract: list = field(default_factory=list)
    start: list = field(default_factory=list)


@dataclass(frozen=True)
class Outcome:
    """weights: published, mirror or untrained; batch: Keras' best; images: how many it was given;
    figures: {(dataset, precision asked): Figures}."""

    weights: str
    batch: int
    images: int
    figures: dict


def run(space, net, datasets, precisions, *, seconds, images, repeats):
    """The Outcome for `net` in a Workspace.

    datasets: {name: (rows, ...)} as of preparation.available; the first precision is measured on
    each, the others on the first; seconds: of each measurement, of bare a quarter; images: a fixed
    number of pictures instead, or None; repeats: rounds.
    Raises processes.CommandError where a contestant fails.
    """
    weights = preparation.net(space, net, precisions)
    first = next(iter(datasets))
    settings = {"net": net, "dataset": first}
    preparation.choose(space, first, datasets[first][0], PROBE_IMAGES)
    rates = _keras(space, settings, PROBE_IMAGES, BATCHES)["rates"]
    batch = int(max(rates, key=rates.get))
    keras_images = images or _whole(rates[str(batch)] * seconds, batch)
    counts, figures = {}, {}
    for precision in precisions:
        probe = _bare(space, settings, precision, PROBE_SECONDS)
        counts[precision] = images or _whole(probe["images"] / probe["seconds"] * seconds, BATCH)
    for number in range(1, repeats + 1):
        preparation.choose(space, first, datasets[first][0], keras_images)
        keras = _keras(space, settings, keras_images, [batch])
        for precision in precisions:
            bare = _bare(space, settings, precision, seconds / BARE)
            preparation.choose(space, first, datasets[first][0], BATCH)
            start = _extraction(space, settings, precision)
            for dataset in datasets if precision == precisions[0] else [first]:
                rows = datasets[dataset][0]
                count = preparation.choose(space, dataset, rows, counts[precision])
                found = figures.setdefault((dataset, precision), Figures(count, bare["precision"]))
                found.keras.append(keras["rates"][str(batch)])
                found.bare.append(bare["images"] / bare["seconds"])
                found.network.append(1000 * bare["cpu"] / bare["images"])
                found.start.append(start.seconds)
                _measure(space, settings | {"dataset": dataset}, precision, found)
                _tell(net, dataset, precision, f"round {number} of {repeats}", found)
    return Outcome(weights, batch, keras["images"], figures)


def _measure(space, settings, precision, found):
    """Adds a round of the stage `extract`, and of decoding alone, to the Figures `found`."""
    ours = _extraction(space, settings, precision)
    decode = preparation.call(space, "decoding", settings, ["source", "raw", "index", "card"])
    found.ours.append(found.images / ours.seconds)
    found.extract.append(1000 * ours.cpu / found.images)
    found.decode.append(1000 * decode["cpu"] / decode["images"])


def _whole(count, multiple):
    return max(1, int(count) // multiple) * multiple


def _extraction(space, settings, precision):
    """The stage `extract` with an empty store, as processes.Finished; its packs are removed."""
    settings = ALL | PLAIN | settings | {"extract.precision": precision}
    with tempfile.TemporaryDirectory(prefix="store-", dir=space.folder) as store:
        finished = space.stage("extract", settings, store)
    shutil.rmtree(space.folder / "data/bottlenecks")
    return finished


def _bare(space, settings, precision, seconds):
    options = {"precision": precision, "seconds": seconds}
    return preparation.call(space, "compiled", settings, ["card", "backbone", "weights"], options)


def _keras(space, settings, images, batches):
    names = ["source", "raw", "index", "card", "weights"]
    options = {"images": images, "batches": list(batches)}
    return preparation.call(space, "predicting", settings, names, options)


def _tell(net, dataset, precision, which, found):
    """A line of progress for who waits."""
    print(
        f"{net} on {dataset}, {precision}, {which}: {found.images} images, ours "
        f"{found.ours[-1]:.1f}/s, bare {found.bare[-1]:.1f}/s, Keras {found.keras[-1]:.1f}/s",
        file=sys.stderr,
    )
