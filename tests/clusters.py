"""Ray clusters of several nodes, and an S3 server, on this machine."""

import contextlib
import os

import boto3
from moto.server import ThreadedMotoServer
from ray.cluster_utils import Cluster

MEMORY = 150 * 2**20  # bytes of Ray's object store on each node

# The stage, of which each piece of work is small and takes long, so that much can happen meanwhile;
# $COUNTED gets a line with the number of images that a network has computed.
SLOW = """
import os, runpy, time
from transfer.cluster import plan, workers
from transfer.features.store import supply

class Slow(workers.Network):
    def __call__(self, batch):
        time.sleep(0.1)
        found = super().__call__(batch)
        with open({counted!r}, "a") as file:
            file.write(f"{{len(found['place'])}}\\n")
        return found

workers.Network, plan.ROWS, supply.COMMIT = Slow, 16, 64
runpy.run_module("stages.extract", run_name="__main__", alter_sys=True)
"""


@contextlib.contextmanager
def started(nodes=1, memory=MEMORY, **more):
    """A Cluster of `nodes`, each of one core, the first of which can't be taken away; more: of the
    options of Cluster.add_node, for all."""
    options = {"num_cpus": 1, "object_store_memory": memory, **more}
    # A node of one core would end each process that has waited for a second.
    with variables(RAY_idle_worker_killing_time_threshold_ms="60000"):
        yield from _started(nodes, options)


def _started(nodes, options):
    cluster = Cluster(initialize_head=True, head_node_args=options)
    try:
        for _ in range(nodes - 1):
            cluster.add_node(**options)
        cluster.wait_for_nodes()
        yield cluster
    finally:
        cluster.shutdown()


@contextlib.contextmanager
def bucket():
    """The address of a folder in an empty bucket of an S3 server on this machine, which all that is
    started meanwhile finds."""
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    given = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "somebody",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    try:
        with variables(**given):
            boto3.client("s3").create_bucket(Bucket="shared")
            yield "s3://shared/features"
    finally:
        server.stop()


@contextlib.contextmanager
def variables(**given):
    """These variables of the environment, for all that is started meanwhile."""
    before = {name: os.environ.get(name) for name in given}
    os.environ.update(given)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
