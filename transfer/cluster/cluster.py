"""Extraction on a Ray cluster: where features are computed changes none of them.

What the store lacks is planned here, pictures are read and decoded by tasks, the network of each
device is held by an actor, and features come back as they are done, in any order, to be kept at
once.  Ray Data sees to the rest: which machine does what, what waits for memory, and what is done
again where a machine or a process is lost.
"""

import contextlib
import functools
import logging
import os
import queue
import socket
import sys
import threading
import warnings
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import ray
import ray.data
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
from tqdm import tqdm

import transfer
from transfer.cluster import files, opening, plan, workers
from transfer.datasets.reading.compression import packing
from transfer.datasets.reading.pieces import GZIP
from transfer.errors import InputError
from transfer.features import announced, engines
from transfer.features.pictures import Members

SILENCE = 15  # seconds without a feature after which lost machines are done without
PATIENCE = 40  # seconds to wait for a cluster's answer
BLOCK = 1 << 24  # bytes that a task gives at a time
# Of a core: a machine of one runs a task and an actor side by side.
LOOK, NETWORK = 0.9, 0.1


@dataclass(frozen=True)
class Machine:
    """A node of the cluster.  name: for people; cores, gpus: how many it has; memory: bytes."""

    id: str
    name: str
    cores: int
    gpus: int
    memory: int


class Cluster:
    """Ray's at `address`, from the first that is asked of it until `close`.

    lease: seconds that claims on planned pictures last without news.
    """

    lease = 600

    def __init__(self, address):
        self._address, self._is_connected = address, False

    def close(self):
        if self._is_connected:
            ray.shutdown()
        self._is_connected = False

    def prepared(self, origin, choice):
        """(what the engines there are, a function that opens one here, the `compute` of a
        supply.Supply) for an outputs.Origin and a choices.Choice."""
        run = Run(self, origin, choice)
        return run.device, run.engine, run.compute

    def machines(self):
        """The Machines there are now, in the order of their names; of those with cores."""
        self._connect()
        found = []
        for node in ray.nodes():
            has = node["Resources"]
            if node["Alive"] and has.get("CPU", 0) > 0:
                id_ = node["NodeID"]
                name = f"{node['NodeManagerHostname']} (Ray's node {id_[:8]})"
                counts = (int(has.get(what, 0)) for what in ("CPU", "GPU", "memory"))
                found.append(Machine(id_, name, *counts))
        return sorted(found, key=lambda machine: (machine.name, machine.id))

    def lost(self, machines):
        """The names of those of `machines` that are no more."""
        here = {machine.id for machine in self.machines()}
        return [machine.name for machine in machines if machine.id not in here]

    def _connect(self):
        if self._is_connected:
            return
        _keep_quiet()
        try:
            _require_listening(self._address)
            with _silence():
                _within(
                    PATIENCE,
                    partial(
                        ray.init,
                        address=self._address,
                        logging_level=logging.ERROR,
                        log_to_driver=False,
                        # The code of this checkout, whatever lies on the others.
                        runtime_env={"py_modules": [str(Path(transfer.__file__).parent)]},
                    ),
                )
        except (ConnectionError, ValueError, RuntimeError, OSError) as fault:
            said = " ".join(str(fault).split())[:300]
            raise InputError(
                f"${opening.ADDRESS} is {self._address}, where no Ray cluster answers: {said}; "
                f"start one (`ray start --head`), name its address, or unset it"
            ) from None
        self._is_connected = True


def _require_listening(address):
    """Raises OSError where nobody listens at host:port: Ray would wait for them."""
    host, _, port = address.rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), timeout=PATIENCE).close()


def _within(seconds, call):
    """Calls `call`; raises TimeoutError where it has not ended after `seconds`.  Ray waits without
    end for an answer of what is no Ray."""
    faults = []

    def run():
        try:
            call()
        except Exception as fault:  # is raised where it is waited for
            faults.append(fault)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise TimeoutError(f"no answer in {seconds} s")
    if faults:
        raise faults[0]


def _keep_quiet():
    """What Ray has to say to people of Ray is not for the terminal of a stage."""
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    os.environ.setdefault("RAY_IGNORE_UNHANDLED_ERRORS", "1")
    logging.getLogger("ray").setLevel(logging.ERROR)
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="ray")


@contextlib.contextmanager
def _silence():
    """What is written to stderr meanwhile is lost: Ray says there how it logs."""
    sys.stderr.flush()
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)


class Run:
    """One choice of layers, size and views of an outputs.Origin on a Cluster.

    device: what the engines there are (announced.Announced); engine: a function that opens one
    here.
    """

    def __init__(self, cluster, origin, choice):
        self._cluster, self._origin, self._choice = cluster, origin, choice
        self._checked = set()
        self.engine = functools.cache(
            lambda: engines.opened(choice, origin.card, origin.backbone, origin.weights)
        )
        if choice.engine == "openvino":
            self.device, self.engine = announced.announce(choice, self.engine)
            self._expected = workers.facts(choice, self.device)
        else:  # a GPU, which this machine may lack
            self.device = self._expected = None
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
        rows = plan.rows_of(len(members), sum(machine.cores for machine in machines))
        tables = plan.tables(asked, contents, self._shared.url, rows)
        look = partial(workers.look, work=self._work, points=self._points())
        network = partial(workers.Network, self._work, self._expected)
        with tqdm(
            desc="extract", total=sum(map(len, lacking)), unit="img", disable=None
        ) as bar, _told():  # fmt: skip
            for wave in plan.waves(tables, ray.put):
                found = results(wave, look, network, _devices(machines))
                try:
                    for keys, features in awaited(found, partial(self._cluster.lost, machines)):
                        yield keys, features
                        bar.update(len(keys))
                except Lost as fault:
                    # What was planned and is not done is lacking still, and asked for again.
                    self._cluster.close()
                    print(f"extract: going on without {fault}", flush=True)
                    return
                machines = self._computing()

    def _points(self):
        packed = [path for path in self._raw if path.is_file() and packing(path) == GZIP]
        points = {self._raw[path]: ray.put(files.seek_points(path)) for path in packed}
        return partial(_point, points)

    def _computing(self):
        """The Machines that compute.

        Raises InputError for one of them, by name, that would compute other features, or does not
        find the files.
        """
        machines = self._cluster.machines()
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
                if self._expected is None:
                    self.device, self._expected = said, facts
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


def _devices(machines):
    """(how many networks are to be held, what Ray is to keep for each, so that they are apart)."""
    gpus = sum(machine.gpus for machine in machines)
    if gpus:
        return gpus, {"num_gpus": 1}
    # More than half of a machine's memory is free there once alone.
    return len(machines), {"memory": min(machine.memory for machine in machines) // 2 + 1}


def results(wave, look, network, devices):
    """Yields ([(view, place)], features [n, D]) of a plan's tables, references to them, as they are
    done; look: as workers.look, of a table; network: makes a workers.Network; devices: as of
    `_devices`.

    Raises InputError for the first fault that comes back.
    """
    context = ray.data.DataContext.get_current()
    context.target_max_block_size = BLOCK
    context.enable_progress_bars = False
    count, each = devices
    squares = ray.data.from_arrow_refs(wave).map_batches(
        look, batch_size=None, batch_format="pyarrow", zero_copy_batch=True, num_cpus=LOOK
    )
    features = squares.map_batches(
        Holder,
        fn_constructor_args=(network,),
        batch_size=workers.ASKED,
        zero_copy_batch=True,
        compute=ray.data.ActorPoolStrategy(size=count),
        num_cpus=NETWORK,
        **each,
    )
    for block in features.iter_batches(batch_size=None, batch_format="numpy"):
        fault = next((fault for fault in block["fault"] if fault), None)
        if fault:
            raise InputError(fault)
        keys = zip(block["view"].tolist(), block["place"].tolist(), strict=True)
        yield list(keys), block["feature"]


class Lost(Exception):  # noqa: N818  # an event
    """Machines, which the message names, are lost, and Ray waits for others in their place."""


def awaited(items, lost):
    """Yields `items`, an iterator that another thread goes through; lost: a function that names the
    machines that are lost.

    Raises Lost where there are some and nothing has come for SILENCE seconds.
    """
    arrived, done, is_over = queue.Queue(maxsize=2), object(), threading.Event()

    def put(item):
        while not is_over.is_set():
            with contextlib.suppress(queue.Full):
                return arrived.put(item, timeout=1)

    def run():
        try:
            for item in items:
                put((item, None))
                if is_over.is_set():
                    return
            put((done, None))
        except BaseException as fault:  # is raised where it is waited for
            put((done, fault))

    threading.Thread(target=run, daemon=True).start()
    try:
        while True:
            try:
                item, fault = arrived.get(timeout=SILENCE)
            except queue.Empty:
                if names := lost():
                    raise Lost(", ".join(names)) from None
                continue
            if fault:
                raise fault
            if item is done:
                return
            yield item
    finally:
        is_over.set()


def _point(references, url):
    return ray.get(references[url])


class Holder:
    """What Ray Data asks for, a class: holds what `made` gives."""

    def __init__(self, made):
        self._network = made()

    def __call__(self, batch):
        return self._network(batch)


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
