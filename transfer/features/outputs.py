"""What one choice of layers, size and views gives of a dataset's pictures: from the store, and
computed where it lacks them."""

import contextlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from transfer.datasets.sources import Source
from transfer.features import announced, engines, extraction
from transfer.features.pictures import Pictures
from transfer.features.recipe import recipe
from transfer.features.resizing import Square
from transfer.features.store import keys
from transfer.features.store.supply import Supply
from transfer.nets import graphs
from transfer.nets.cards import Card


@dataclass(frozen=True)
class Origin:
    """What outputs are of.  backbone, weights: folders; read: called with a pictures.Members,
    yields the Images that it names, with `located=True` where they lie; places: the files, or the
    folder, that they lie in; folder: where outputs lie meanwhile that the store can't keep;
    cluster: the cluster.cluster.Cluster that computes, None for this machine.
    """

    card: Card
    source: Source
    backbone: Path
    weights: Path
    read: Callable
    places: Sequence
    pictures: Pictures
    folder: Path
    cluster: object = None


@contextlib.contextmanager
def opened(origin, choice, store, wanted=None):
    """The Outputs of `origin` by `choice`, a choices.Choice, all of them computed or in the store.

    wanted: by view, the ascending places of the pictures that it is wanted of, None for all.
    """
    card, about = origin.card, graphs.read_about(origin.backbone)
    if origin.cluster is None:
        device, engine = announced.announce(
            choice, lambda: engines.opened(choice, card, origin.backbone, origin.weights)
        )
        square = Square(choice.size, card.resize, card.crop)
        compute = extraction.computing(
            origin.read, origin.pictures, engine, square, choice.views, choice.flip
        )
    else:
        store.lease = origin.cluster.lease
        device, engine, compute = origin.cluster.prepared(origin, choice)
    made = recipe(card, about, device, choice) | {
        "source": {
            "net": card.name,
            "dataset": origin.source.name,
            "weights": about["weights"]["origin"],
        }
    }
    wished = [keys.of_recipe(made, view) for view in choice.views]
    contents = origin.pictures.contents
    with Supply(store, wished, contents, compute, origin.folder, wanted) as supply:
        supply.fill()
        length = store.length(wished[0]) or engine().length
        yield Outputs(choice, made, length, about["layers"], device, supply)


class Outputs:
    """recipe: all that decides them besides the image; length: D, the numbers of one."""

    def __init__(self, choice, made, length, depths, device, supply):
        self.recipe, self.length = made, length
        self._choice, self._depths, self._device, self._supply = choice, depths, device, supply

    @property
    def shape(self):
        """(h, w, c) of activations at a cut."""
        ((name, _),) = self._choice.layers
        depth = self._depths[name]
        side = math.isqrt(self.length // depth)
        return side, side, depth

    def blocks(self, view, places):
        """Yields the outputs of `view`, a name, of the pictures at `places`, integers [n], in their
        order, as [.., D], some MB at a time."""
        return self._supply.blocks(self._choice.views.index(view), places, self.length)

    def told(self, images):
        """A line for people; images: how many rows the parts have."""
        choice, source, computed = self._choice, self.recipe["source"], self._supply.computed
        untrained = ", untrained" if source["weights"] == "untrained" else ""
        instead = " (no bf16 here)" if self._device.precision != choice.precision else ""
        count, what = self._supply.asked, "pictures"
        if len(choice.views) > 1:
            what = f"views ({', '.join(choice.views)}) of pictures"
        return (
            f"{source['net']} on {source['dataset']}{untrained}: {images:,} images, "
            f"D = {self.length:,}, {choice.size} px, {self._device.precision}{instead}, engine: "
            f"{choice.picked}, on {self._device.device}; of {count:,} {what} "
            f"{count - computed:,} came from the store, {computed:,} were computed"
        )
