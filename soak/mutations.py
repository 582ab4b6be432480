"""Plain random mutations: what `make test` has in place of a fuzzer that sees coverage."""

import numpy as np

# Bytes at which lengths, signs and opcodes turn.
_EDGES = (0, 1, 0x7F, 0x80, 0xFF, ord("."), ord("("), ord("\n"))


def mutated(seeds, count, seed=0):
    """Yields `count` byte strings, each one of `seeds` (a list of bytes) changed at 1 to 4 places:
    bytes set, cut out, doubled, moved over from another seed, or the end cut off; the same for
    equal arguments."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        data = bytearray(seeds[rng.integers(len(seeds))])
        for _ in range(rng.integers(1, 5)):
            _change(data, seeds, rng)
        yield bytes(data)


def _change(data, seeds, rng):
    at = int(rng.integers(len(data) + 1))
    span = slice(at, at + int(rng.integers(1, 9)))
    match rng.integers(6):
        case 0:
            data[span] = rng.bytes(len(data[span]))
        case 1:
            data[at : at + 1] = bytes([rng.choice(_EDGES)])
        case 2:
            del data[span]
        case 3:
            data[at:at] = data[span]
        case 4:
            other = seeds[rng.integers(len(seeds))]
            data[span] = other[span]
        case 5:
            del data[at:]
