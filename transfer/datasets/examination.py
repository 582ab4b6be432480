"""Every image looked at once: its content's hash, its fingerprint, and why it can't be decoded."""

import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor

from tqdm import tqdm

from transfer.datasets import fingerprints
from transfer.datasets.index import Row
from transfer.datasets.knowledge import Fact
from transfer.datasets.reading import decoder, images

# What a thread is given at once, so that small images do not cost as much to hand out as to read.
IMAGES = 64
BYTES = 1 << 20


def examine(found, knowledge):
    """Yields (rows, codes) of the images `found`, in their order: lists of Rows, with the source's
    part in `split`, the track in `group`, and in `problem` why one can't be decoded, and of their
    fingerprints.

    Images are decoded in threads, a bounded number at once.  knowledge: a Knowledge of
    encoded images.
    """
    workers = os.cpu_count() or 1
    window = deque()
    with (
        ThreadPoolExecutor(workers) as pool,
        tqdm(desc="index", unit=" images", disable=None) as bar,
    ):

        def done():
            rows, codes = window.popleft().result()
            bar.update(len(rows))
            return rows, codes

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
    facts = _facts(batch, digests, knowledge)
    rows, codes = [], []
    for image, digest in zip(batch, digests, strict=True):
        problem, code = facts[digest]
        problem = _refusal(image) or problem
        rows.append(
            Row(image.id, image.member, image.label, image.part, image.track, digest, problem)
        )
        codes.append(code)
    return rows, codes


def _facts(batch, digests, knowledge):
    """{digest: Fact} of a batch, of which the Knowledge is told what is new.

    Raw pixels cost less to look at than to be remembered.
    """
    encoded = {d: i for i, d in zip(batch, digests, strict=True) if _is_encoded(i)}
    facts = knowledge.get(encoded)
    squares = {}
    for image, digest in zip(batch, digests, strict=True):
        if digest in facts or digest in squares or _refusal(image):
            continue
        try:
            pixels = decoder.decode(image.data) if _is_encoded(image) else image.data
            squares[digest] = fingerprints.square(pixels)
        except decoder.Unreadable as fault:
            facts[digest] = Fact(str(fault), fingerprints.VOID)
            knowledge.learn({digest: facts[digest]})
    codes = fingerprints.of_squares(list(squares.values()))
    new = {digest: Fact("", code) for digest, code in zip(squares, codes, strict=True)}
    knowledge.learn({digest: fact for digest, fact in new.items() if digest in encoded})
    return {digest: Fact("", fingerprints.VOID) for digest in digests} | facts | new


def _is_encoded(image):
    return isinstance(image.data, bytes)


def _refusal(image):
    """Why a file is refused whatever its content, or "": its name, or that it can't be opened.

    Not kept: knowledge is about content.
    """
    if _is_encoded(image):
        try:
            images.check(image)
        except decoder.Unreadable as fault:
            return str(fault)
    return ""
