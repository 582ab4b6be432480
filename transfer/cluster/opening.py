"""Whether features are to be computed on a cluster: $TRANSFER_CLUSTER is empty for this machine, or
`auto` or host:port of Ray's."""

import contextlib
import os

from transfer.errors import InputError

ADDRESS = "TRANSFER_CLUSTER"


@contextlib.contextmanager
def opened():
    """The Cluster that $TRANSFER_CLUSTER names, connected to when it is first needed; None where it
    names none.

    Raises InputError for an address that no cluster has, or without Ray.
    """
    address = os.environ.get(ADDRESS, "").strip()
    if not address:
        yield None
        return
    _require(address)
    from transfer.cluster.cluster import Cluster  # noqa: PLC0415  # imports Ray

    found = Cluster(address)
    try:
        yield found
    finally:
        found.close()


def _require(address):
    if address.startswith("ray://"):
        raise InputError(
            f"${ADDRESS} is {address}, of Ray's client, through which pictures can't be streamed; "
            f"run it on a machine of the cluster, with {ADDRESS}=auto (docs/cluster.md)"
        )
    try:
        import indexed_gzip  # noqa: F401, PLC0415
        import ray.data  # noqa: F401, PLC0415
    except ImportError as fault:
        raise InputError(
            f"${ADDRESS} asks for a Ray cluster, and {fault.name} is not installed; run `make "
            f"setup RAY=1`, or unset it"
        ) from None
