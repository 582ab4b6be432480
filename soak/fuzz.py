"""One target under atheris, until its seconds are over or an input is not refused as it should.

`python -m soak.fuzz TARGET SECONDS CORPUS ARTIFACTS`; libFuzzer's lines are on stderr.
"""

import contextlib
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["transfer", "tarfile", "zipfile", "PIL"]):
    from soak.targets import TARGETS
from transfer.errors import InputError


def main(name, seconds, corpus, artifacts):
    target = TARGETS[name]

    def once(data):
        with contextlib.suppress(InputError):
            target.read(data)

    for number, seed in enumerate(target.seeds()):
        (Path(corpus) / f"seed-{number:03d}").write_bytes(seed)
    options = [
        f"-max_total_time={seconds}",
        f"-max_len={target.largest}",
        f"-artifact_prefix={artifacts}/",
        "-timeout=20",  # seconds of one input
        "-rss_limit_mb=3000",
        "-print_final_stats=1",
        "-seed=1",
    ]
    atheris.Setup([sys.argv[0], *options, corpus], once)
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
