"""Every image looked at once: its content's hash, and why it can't be decoded."""

import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor

from tqdm import tqdm

from transfer.datasets.index import Row
from transfer.datasets.reading import decoder, images

# What a thread is given at once, so that small images do not cost as much to hand out as to read.
IMAGES = 64
BYTES = 1 << 20


def examine(found, knowledge):
    """Yields lists of Rows of the images `found`, in their order, with the source's part in
    `split`, the track in `group`, and in `problem` why one can't be decoded.

    Images are decoded in threads, a bounded number at once.  knowledge: a Knowledge of problems.
    """
    workers = os.cpu_count() or 1
    window = deque()
    with (
        ThreadPoolExecutor(workers) as pool,
        tqdm(desc="index", unit=" images", disable=None) as bar,
    ):

        def done():
            rows = window.popleft().result()
            bar.update(len(rows))
            return rows

        for batch in _batches(found):
            window.append(pool.submit(_rows, batch, knowledge))
            if len(window) >= 2 * workers:
                yield done()
        while window:
            yield done()


def _batches(found):
    batch, size = [], 0
    for image in found:
        batch.append(image)
        size += memoryview(image.data).nbytes
        if len(batch) == IMAGES or size >= BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _rows(batch, knowledge):
    digests = [images.digest(image) for image in batch]
    encoded = {digest for image, digest in zip(batch, digests, strict=True) if _is_encoded(image)}
    known, learnt = knowledge.get(encoded), {}

    def problem(image, digest):
        if not _is_encoded(image):
            return ""
        try:
            images.check_name(image)  # not kept: knowledge is about content, whatever its name
        except decoder.Unreadable as fault:
            return str(fault)
        if digest not in known:
            known[digest] = learnt[digest] = _fault(image.data)
        return known[digest]

    rows = [
        Row(i.id, i.member, i.label, i.part, i.track, digest, problem(i, digest))
        for i, digest in zip(batch, digests, strict=True)
    ]
    knowledge.learn(learnt)
    return rows


def _is_encoded(image):
    return isinstance(image.data, bytes)


def _fault(data):
    """Why `data` can't be decoded, or ""."""
    try:
        decoder.decode(data)
    except decoder.Unreadable as fault:
        return str(fault)
    return ""
