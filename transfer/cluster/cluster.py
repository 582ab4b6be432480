"""Extraction on a Ray cluster: where features are computed changes none of them.

What the store lacks is planned here, actors read and decode pictures, another holds the network of
each device, and features come back as they are done, in any order, to be kept at once.
"""

import contextlib
import functools
import os
from dataclasses import replace
from functools import partial

import numpy as np
import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
from tqdm import tqdm

from transfer.cluster import files, plan, streaming, workers
from transfer.cluster.connection import Connection
from transfer.datasets.reading.compression import packing
from transfer.datasets.reading.pieces import GZIP
from transfer.errors import InputError
from transfer.features import announced, engines
from transfer.features.pictures import Members

# Of a core: a machine of one runs one of each side by side.
LOOK, NETWORK = 0.9, 0.1


class Cluster:
    """Ray's at `address`, from the first that is asked of it until `close`.

    lease: seconds that claims on planned pictures last without news.
    """

    lease = 600

    def __init__(self, address):
        self._connection = Connection(address)
        self.close = self._connection.close

    def prepared(self, origin, choice):
        """(what the engines there are, a function that opens one here, the `compute` of a
        supply.Supply) for an outputs.Origin and a choices.Choice."""
        run = Run(self._connection, origin, choice)
        return run.device, run.engine, run.compute


class Run:
    """One choice of layers, size and views of an outputs.Origin, by a Connection.

    device: what the engines there are (announced.Announced); engine: a function that opens one
    here.
    """

    def __init__(self, connection, origin, choice):
        self._connection, self._origin, self._choice = connection, origin, choice
        self._checked = set()
        self.engine = functools.cache(
            lambda: engines.opened(choice, origin.card, origin.backbone, origin.weights)
        )
        if choice.engine == "openvino":
            self.device, self.engine = announced.announce(choice, self.engine)
            self._expected = workers.facts(choice, self.device)
        else:  # a GPU, which this machine may lack
            self.device, self._expected = None, {}
            self._computing()

    @functools.cached_property
    def _work(self):
        origin, shared = self._origin, self._shared
        backbone = shared.folder(origin.backbone)
        weights = {} if self._choice.engine == "openvino" else shared.folder(origin.weights)
        return workers.Work(self._choice, origin.card, backbone, weights)

    @functools.cached_property
    def _shared(self):
        return files.Shared(os.environ.get(files.ADDRESS, "").strip())

    @functools.cached_property
    def _raw(self):
        """{path: address} of what images are read from; none where they go along."""
        if self._origin.source.kind != "own":
            return {path: self._shared.url(path) for path in self._origin.places}
        return {} if self._shared.address else {p: os.path.abspath(p) for p in self._origin.places}

    def compute(self, lacking, views_of):
        """As a supply.Supply asks for it."""
        origin, contents = self._origin, self._origin.pictures.contents
        machines = self._computing()
        members = Members(origin.pictures, functools.reduce(np.union1d, lacking))
        # Files of an own folder that not all machines see are read here and sent along.
        found = origin.read(members, located=bool(self._raw))
        placed = ((origin.pictures.place(image.member), image) for image in found)
        asked = ((place, views, image) for place, image in placed if (views := views_of(place)))
        cores = sum(machine.cores for machine in machines)
        rows = plan.rows_of(len(members), cores, self._work.pixels)
        tables = plan.tables(asked, contents, self._shared.url, rows)
        looker = workers.Looker, (self._work, self._points())
        network = workers.Network, (self._work, self._expected)
        waves = plan.Waves(tables, ray.put)
        total = sum(map(len, lacking))
        with tqdm(desc="extract", total=total, unit="img", disable=None) as bar, _told():
            while wave := waves.next():
                pools = _lookers(machines, looker), _networks(machines, network)
                found = streaming.results(wave, *pools)
                lost = partial(self._connection.lost, machines)
                try:
                    for keys, features in streaming.awaited(found, lost):
                        yield keys, features
                        bar.update(len(keys))
                        waves.more()
                except streaming.Lost as fault:
                    # What was planned and is not done is lacking still, and asked for again.
                    self._connection.close()
                    print(f"extract: going on without {fault}", flush=True)
                    return
                machines = self._computing()

    def _points(self):
        packed = [path for path in self._raw if path.is_file() and packing(path) == GZIP]
        return {self._raw[path]: ray.put(files.seek_points(path)) for path in packed}

    def _computing(self):
        """The Machines that compute.

        Raises InputError for one of them, by name, that would compute other features, or does not
        find the files.
        """
        machines = self._connection.machines()
        on_gpus = self._choice.engine != "openvino" and any(machine.gpus for machine in machines)
        if on_gpus:
            machines = [machine for machine in machines if machine.gpus]
        new = [machine for machine in machines if machine.id not in self._checked]
        with _told():
            asked = [(machine, self._asked(machine, on_gpus)) for machine in new]
            for machine, answer in asked:
                said, facts, fault = ray.get(answer)
                if fault:
                    raise InputError(f"{machine.name} can't compute: {fault}")
                if self.device is None:
                    self.device = said
                # In what this machine does not decide, all are to be as the first.
                self._expected = facts | self._expected
                workers.require_same(facts, self._expected, machine.name)
                self._checked.add(machine.id)
        return [replace(machine, gpus=on_gpus and machine.gpus) for machine in machines]

    def _asked(self, machine, on_gpus):
        """What `workers.told` says on `machine`, as Ray's reference to it."""
        where = NodeAffinitySchedulingStrategy(machine.id, soft=False)
        # A process that has opened an engine keeps a GPU's memory.
        calls = 0 if self._choice.engine == "openvino" else 1
        told = ray.remote(num_cpus=0, num_gpus=int(on_gpus), max_calls=calls)(workers.told)
        return told.options(scheduling_strategy=where).remote(self._work, [*self._raw.values()])


def _lookers(machines, looker):
    """The streaming.Pool of lookers, as many as are needed up to one a core; tasks in their place
    would be started anew again and again, since Ray ends processes that have waited a second."""
    cores = sum(machine.cores for machine in machines)
    return streaming.Pool(*looker, len(machines), cores, {"num_cpus": LOOK})


def _networks(machines, network):
    """The streaming.Pool of networks, one a device."""
    count = sum(machine.gpus for machine in machines)
    each = {"num_gpus": 1}
    if not count:
        count = len(machines)
        # More than half of a machine's memory is free there once alone.
        each = {"memory": min(machine.memory for machine in machines) // 2 + 1}
    return streaming.Pool(*network, count, count, {"num_cpus": NETWORK} | each)


@contextlib.contextmanager
def _told():
    """One sentence for what Ray raises."""
    try:
        yield
    except ray.exceptions.RayError as fault:
        said = " ".join(str(getattr(fault, "cause", None) or fault).split())[-300:]
        raise InputError(
            f"the Ray cluster gave up: {said}; what was computed is kept, run `dvc repro` again"
        ) from None
