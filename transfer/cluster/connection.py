"""The connection to a Ray cluster, and which machines it has."""

import logging
import os
import socket
import threading
import warnings
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import ray

import transfer
from transfer import quiet
from transfer.cluster import opening
from transfer.errors import InputError

PATIENCE = 40  # seconds to wait for a cluster's answer


@dataclass(frozen=True)
class Machine:
    """A node of the cluster.  name: for people; cores, gpus: how many it has; memory: bytes."""

    id: str
    name: str
    cores: int
    gpus: int
    memory: int


class Connection:
    """To Ray's cluster at `address`, from the first that is asked of it until `close`."""

    def __init__(self, address):
        self._address, self._is_open = address, False

    def close(self):
        if self._is_open:
            ray.shutdown()
        self._is_open = False

    def machines(self):
        """The Machines there are now, in the order of their names; of those with cores.

        Raises InputError where no cluster answers.
        """
        self._open()
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

    def _open(self):
        if self._is_open:
            return
        _keep_quiet()
        try:
            _require_listening(self._address)
            with quiet.stderr():
                _within(PATIENCE, partial(ray.init, self._address, **_options()))
        except (ConnectionError, ValueError, RuntimeError, OSError) as fault:
            said = " ".join(str(fault).split())[:300]
            raise InputError(
                f"${opening.ADDRESS} is {self._address}, where no Ray cluster answers: {said}; "
                f"start one (`ray start --head`), name its address, or unset it"
            ) from None
        self._is_open = True


def _options():
    """Of ray.init.  The cluster's machines run the code of this checkout, whatever lies there."""
    code = {"py_modules": [str(Path(transfer.__file__).parent)]}
    return {"logging_level": logging.ERROR, "log_to_driver": False, "runtime_env": code}


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
    os.environ.setdefault("RAY_DATA_USAGE_DISABLED", "1")  # and nothing is sent to them
    logging.getLogger("ray").setLevel(logging.ERROR)
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="ray")
