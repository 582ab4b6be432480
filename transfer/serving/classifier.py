"""A classifier: a network with what turns its output into probabilities of named classes."""

from pathlib import Path

import numpy as np

from transfer.errors import InputError
from transfer.features.engine import BATCH, Engine
from transfer.features.resizing import Square
from transfer.features.streams import batches
from transfer.features.views import VIEWS
from transfer.heads import trained
from transfer.serving import agreement, networks

BACKBONES = Path("models/backbones")


class Classifier:
    """From uint8 RGB [N, S, S, 3] to probabilities float32 [N, C], a row summing to 1.

    title: a line for people; classes: C dicts with `label` and what else is known of a class;
    square: features.resizing.Square, from a picture to the input; views: names in views.VIEWS, over
    which the head averages; notes: sentences for people, of what is not quite as it was when the
    head was trained.
    """

    def __init__(
        self, title, classes, square, engine, *, batch, head=None, views=("plain",), notes=()
    ):
        self.title, self.classes, self.square, self.notes = title, classes, square, notes
        self._engine, self._batch, self._head = engine, batch, head
        self._looks = [VIEWS[name] for name in views]

    def stream(self, squares):
        """Yields (key, float32 [C]) of each (key, uint8 [S, S, 3]) of `squares`, in their order."""
        looks = ((key, look(pixels)) for key, pixels in squares for look in self._looks)
        count, keys, rows = len(self._looks), [], np.empty((0, self._engine.length), np.float32)
        for some, features in self._engine.stream(batches(looks, self.square.size, self._batch)):
            # A batch may end between two views of a picture.
            keys, rows = keys + some, np.concatenate([rows, features])
            whole = len(keys) - len(keys) % count
            yield from zip(keys[:whole:count], self._answers(rows[:whole]), strict=True)
            keys, rows = keys[whole:], rows[whole:]

    def _answers(self, rows):
        """float32 [n, C] of the features `rows` [n V, D], of V views of one picture after another
        picture's."""
        if self._head is None:
            return rows
        count = len(self._looks)
        return self._head.probabilities(
            tuple(np.ascontiguousarray(rows[view::count]) for view in range(count))
        )

    def probabilities(self, squares):
        """float32 [N, C] of `squares`, uint8 RGB [N, S, S, 3]; InputError where they are not."""
        side = self.square.size
        if squares.dtype != np.uint8 or squares.shape[1:] != (side, side, 3):
            raise InputError(
                f"the classifier takes uint8 [N, {side}, {side}, 3]; received {squares.dtype} "
                f"{list(squares.shape)}; let `square` make them from pixels of 0..255"
            )
        found = np.empty((len(squares), len(self.classes)), np.float32)
        for row, one in self.stream(enumerate(squares)):
            found[row] = one
        return found


def load(path=trained.HEAD, backbones=BACKBONES, batch=BATCH):
    """The Classifier of the head at `path`, on the backbone of its net in `backbones`.

    The head's own recipe decides, not params.yaml.  Raises InputError where that can't be done to
    the letter; what can only change the last digits becomes a note.

    batch: pictures that the network takes at a time.  1 is for a single picture, whose answer would
    else wait for 15 empty ones; a device may choose other kernels for it, and so other last digits.
    """
    head = trained.load(path)
    title = trained.title(head)
    recipe, folder = head.recipe, Path(backbones, head.net)
    agreement.require_known(recipe, path)
    layers = agreement.layers_of(recipe, path)
    agreement.require_backbone(head, path, folder)
    precision = agreement.precision_of(recipe)
    graph, head = networks.opened(head, folder, layers, recipe["size"], batch, precision)
    engine = Engine(graph, precision)
    differ = ", ".join(agreement.differences(recipe, engine))
    notes = [f"{path} was trained on slightly other features: here {differ}"] if differ else []
    return Classifier(
        title,
        [{"label": name} for name in head.classes],
        Square(recipe["size"], recipe["resize"], recipe["crop"]),
        engine,
        batch=batch,
        head=head,
        views=recipe["views"],
        notes=notes,
    )
