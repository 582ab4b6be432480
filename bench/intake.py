"""The stage `extract` on a cluster that reads no picture and runs no network: features are drawn,
so what the driver plans, takes in and keeps is all that there is to wait for.

    python -m bench.intake LENGTH [words of stages.extract]

Tables are long, so that what Ray takes for each of them does not count.  Prints, last, a JSON
object: planned, pictures/s; features, how many came after the first block of them; seconds, from
that one to the last that is in the store; cores, how many the driver kept busy meanwhile.
"""

import json
import runpy
import sys
import time

import numpy as np

from transfer.cluster import plan, streaming, workers
from transfer.features.store import supply

ROWS = 2048


class Drawing(workers.Network):
    """A Network of features of `length` that cost nothing."""

    length = int(sys.argv[1])

    def __call__(self, batch):
        drawn = np.empty((len(batch["place"]), self.length), np.float32)
        drawn[:] = batch["place"][:, None]
        return {name: batch[name] for name in ("place", "view", "fault")} | {"feature": drawn}


class Blank(workers.Looker):
    """A Looker that reads nothing and gives squares of one pixel."""

    def __call__(self, table):
        count = len(table)
        return {
            "place": table["place"].to_numpy(),
            "view": np.zeros(count, np.uint8),
            "pixels": np.zeros((count, 1, 1, 3), np.uint8),
            "fault": np.full(count, "", object),
        }


def main():
    # Of this process's __main__, so they are sent along.
    workers.Network, workers.Looker = Drawing, Blank
    plan.rows_of, plan.FIRST = lambda *_: ROWS, plan.PICTURES
    tables, results, fill = plan.tables, streaming.results, supply.Supply.fill
    planned, arrived, ends = [], [], []

    def paced(*args):
        start, count = time.perf_counter(), 0
        for table, size in tables(*args):
            count += len(table)
            yield table, size
        planned.append(count / (time.perf_counter() - start))

    def counted(*args):
        for keys, features in results(*args):
            arrived.append((len(keys), time.perf_counter(), time.process_time()))
            yield keys, features

    def timed(self):
        fill(self)
        ends.append((time.perf_counter(), time.process_time()))

    plan.tables, streaming.results, supply.Supply.fill = paced, counted, timed
    del sys.argv[1]
    runpy.run_module("stages.extract", run_name="__main__", alter_sys=True)
    (_, start, used), (end, used_then) = arrived[0], ends[0]
    said = {
        "planned": planned[0],
        "features": sum(count for count, *_ in arrived[1:]),
        "seconds": end - start,
        "cores": (used_then - used) / (end - start),
    }
    print(json.dumps(said))


if __name__ == "__main__":
    main()
