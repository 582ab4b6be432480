"""An epoch of a fine-tuning: of each image one of its views, or one that is computed for the epoch
alone, moved by up to a cell."""

import math
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Epochs:
    """What their steps are made of: V views [N, h, w, c], labels [N], weights of the classes."""

    views: tuple
    labels: np.ndarray
    weights: np.ndarray
    batch_size: int
    seed: int
    fresh: object

    def run(self, tuning, rows, steps, rate_of, epoch):
        """`steps` steps on `rows` in an order of the epoch's own, again from the start where they
        end; the mean loss.  rate_of(step): its rate."""
        rng = np.random.default_rng([self.seed, epoch + 1])
        size = self.batch_size
        times = math.ceil(steps * size / len(rows))
        order = np.concatenate([rng.permutation(rows) for _ in range(times)])
        count = self.fresh.views if self.fresh else len(self.views)
        seen = rng.integers(count, size=len(order))
        batches = [slice(step * size, (step + 1) * size) for step in range(steps)]
        wanted = [(order[some], seen[some]) for some in batches]
        found = self.fresh.stream(epoch + 1, wanted) if self.fresh else map(self._read, wanted)
        shape = self.views[0].shape[1:]
        losses = []
        for step, ((chosen, _), flat) in enumerate(zip(wanted, _ahead(found), strict=True)):
            x, y = flat.reshape(-1, *shape), self.labels[chosen]
            move = rng.integers(-1, 2, 2)
            draw = [self.seed, epoch + 1, step]
            losses.append(tuning.step(x, y, self.weights[y], rate_of(step), move, draw))
        return float(np.mean(losses))

    def _read(self, wanted):
        """float16 [n, h, w, c] of (rows [n], views [n])."""
        return np.stack([self.views[view][row] for row, view in zip(*wanted, strict=True)])


def _ahead(items):
    """Yields `items`, the next of which are worked out meanwhile."""
    items, end = iter(items), object()
    with ThreadPoolExecutor(1) as pool:
        coming = deque(pool.submit(next, items, end) for _ in range(2))
        while (item := coming.popleft().result()) is not end:
            coming.append(pool.submit(next, items, end))
            yield item
