"""Augmented views drawn anew in each epoch of a fine-tuning: the front of the network runs again,
while the tail trains."""

from collections import deque
from dataclasses import asdict, replace

import numpy as np

from transfer.features import engines, rules
from transfer.features.choices import Choice, to_augment
from transfer.features.streams import ahead, batches
from transfer.features.views import looking


def front_of(choice):
    """A dict of plain values: all that `Fresh` has to know of `choice`, the one of a cut."""
    return asdict(choice) | {"views": to_augment(choice.views)}


class Fresh:
    """squares: packs.squares.Squares whose `front` is of `front_of`; card, backbone, weights: as
    engines.opened takes them, which says what this raises.

    views: how many views there are of which augmented ones are drawn; decided_by: plain values,
    what of these decides an activation besides what is known of plain ones.
    """

    def __init__(self, squares, card, backbone, weights):
        front = squares.front
        layers = tuple(tuple(layer) for layer in front["layers"])
        self._choice = replace(Choice(**front), layers=layers, views=tuple(front["views"]))
        self._squares = squares
        self._engine = engines.opened(self._choice, card, backbone, weights)
        first = [rules.augmented(view, 1) for view in self._choice.views]
        self.views = len(first)
        self.decided_by = rules.of(first, self._choice.flip)

    def stream(self, number, wanted):
        """Yields float16 [n, h w c] of each (rows [n], views [n]) of `wanted`, in their order: of
        those rows the activations of the augmented view `number`, from 1, of those of the views,
        0..views-1.

        The same number gives the same again: what is drawn is decided by image and number.
        """
        choice, squares = self._choice, self._squares
        names = [rules.augmented(view, number) for view in choice.views]
        looks = [looking(name, choice.flip) for name in names]
        lengths, found = deque(), np.empty((0, self._engine.length), np.float16)

        def each():
            for rows, views in wanted:
                lengths.append(len(rows))
                yield from zip(rows, views, strict=True)

        def look(asked):
            row, view = asked
            return row, looks[view](squares.pixels[row], squares.contents[row].tobytes())

        looked = batches(ahead(look, each()), choice.size, self._engine.batch)
        for _, some in self._engine.stream(looked):
            found = np.concatenate([found, some.astype(np.float16)])
            while lengths and len(found) >= lengths[0]:
                count = lengths.popleft()
                yield found[:count]
                found = found[count:]
