"""Reading, decoding and resizing alone, in one thread: prints its CPU time as JSON.

python -m bench.decoding --source DATASET --raw RAW --index CSV --card CARD
"""

import argparse
import json
import time
from pathlib import Path

from bench import squares
from transfer.nets import cards


def main(argv=None):
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("source", "raw", "index", "card"):
        options.add_argument(f"--{name}", type=Path, required=True)
    given = options.parse_args(argv)
    card = cards.load(given.card)
    start = time.process_time()
    count = sum(1 for _ in squares.of_index(given.source, given.raw, given.index, card))
    print(json.dumps({"images": count, "cpu": time.process_time() - start}))


if __name__ == "__main__":
    main()
