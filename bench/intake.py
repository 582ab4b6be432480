"""The stage `extract` on a cluster whose actors draw features instead of computing them: so what
the driver takes in is all that there is to wait for.

    python -m bench.intake LENGTH [words of stages.extract]

Prints, last, a JSON object: seconds, from the first feature that is asked for to the last that is
in the store.
"""

import json
import runpy
import sys
import time

import numpy as np

from transfer.cluster import workers
from transfer.features.store import supply


class Drawing(workers.Network):
    """A Network of features of `length` that cost nothing."""

    length = int(sys.argv[1])

    def __call__(self, batch):
        drawn = np.empty((len(batch["place"]), self.length), np.float32)
        drawn[:] = batch["place"][:, None]
        return {name: batch[name] for name in ("place", "view", "fault")} | {"feature": drawn}


def main():
    workers.Network = Drawing  # of this process's __main__, so it is sent along
    workers.ASKED = 512
    fill, seconds = supply.Supply.fill, []

    def timed(self):
        start = time.perf_counter()
        fill(self)
        seconds.append(time.perf_counter() - start)

    supply.Supply.fill = timed
    del sys.argv[1]
    runpy.run_module("stages.extract", run_name="__main__", alter_sys=True)
    print(json.dumps({"seconds": seconds[0]}))


if __name__ == "__main__":
    main()
