"""Features from a Ray cluster as they are done: Ray Data sees to which machine does what, what
waits for memory, and what is done again where a machine or a process is lost."""

import contextlib
import queue
import threading
from dataclasses import dataclass

import ray.data

from transfer.errors import InputError

SILENCE = 15  # seconds without a feature after which lost machines are done without
BLOCK = 1 << 27  # bytes that are handed on at a time: more than the squares of a table


@dataclass(frozen=True)
class Pool:
    """Actors of the class `made` of the arguments `of`, `least` to `most` of them, for each of
    which Ray keeps `each`, {name: amount} of its resources."""

    made: type
    of: tuple
    least: int
    most: int
    each: dict


def results(wave, lookers, networks):
    """Yields ([(view, place)], features [n, D]) of a plan's tables, references to them, as they are
    done, by the Pools of workers.Lookers and workers.Networks.

    Raises InputError for the first fault that comes back.
    """
    context = ray.data.DataContext.get_current()
    context.target_max_block_size = BLOCK
    context.enable_progress_bars = False
    context.memory_usage_poll_interval_s = None  # which reads all maps of a process each second
    squares = _mapped(ray.data.from_arrow_refs(wave), lookers, batch_format="pyarrow")
    features = _mapped(squares, networks)
    # None is fetched ahead: what is done is kept at once.
    blocks = features.iter_batches(batch_size=None, batch_format="numpy", prefetch_batches=0)
    for block in blocks:
        fault = next((fault for fault in block["fault"] if fault), None)
        if fault:
            raise InputError(fault)
        keys = zip(block["view"].tolist(), block["place"].tolist(), strict=True)
        yield list(keys), block["feature"]


def _mapped(blocks, pool, **how):
    """`blocks` as the actors of `pool` answer them, one at a time."""
    actors = ray.data.ActorPoolStrategy(min_size=pool.least, max_size=pool.most)
    return blocks.map_batches(
        pool.made,
        fn_constructor_args=pool.of,
        batch_size=None,
        zero_copy_batch=True,
        compute=actors,
        **pool.each,
        **how,
    )


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
