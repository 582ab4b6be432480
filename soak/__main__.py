"""Fuzzes every target in turn and prints one table; `make soak SECONDS=600` runs it.

An input that is not refused as it should stays in
soak/crashes/TARGET/, with the traceback in `log` there; the exit status is then 1.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from soak.targets import TARGETS
from transfer.errors import InputError, sentences, unknown

CRASHES = Path(__file__).parent / "crashes"
SECONDS = 60  # of each target
ROW = "{:<10} {:>12} {:>8} {:>9} {:>8}"


def soaked(name, seconds):
    """(inputs run, seconds, features of coverage, crashes) of `seconds` of the target `name`."""
    crashes = CRASHES / name
    crashes.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="soak-") as corpus:
        command = [sys.executable, "-m", "soak.fuzz", name, str(seconds), corpus, str(crashes)]
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
    log = done.stdout.decode(errors="replace")
    (crashes / "log").write_text(log, encoding="utf-8")
    return counted(log, done.returncode)


def counted(log, status):
    """(inputs, seconds, features, crashes) in libFuzzer's `log`; raises InputError where it has
    not run."""
    inputs = re.findall(r"^#(\d+)\s", log, re.M) + re.findall(r"executed_units: (\d+)", log)
    if not inputs:
        last = " ".join(log.split())[-200:]
        raise InputError(f"the fuzzer did not start: {last}; install requirements-soak.txt")
    features = re.findall(r"\bft: (\d+)", log)
    seconds = re.findall(r"in (\d+) second", log)
    return (
        max(map(int, inputs)),
        int(seconds[-1]) if seconds else 0,
        max(map(int, features), default=0),
        int(status != 0),
    )


def main(argv):
    words = _parser().parse_args(argv).words
    seconds = int(words.pop(0)) if words and words[0].isdecimal() else SECONDS
    if seconds < 1:  # which the fuzzer takes for no limit
        raise InputError(f"each target needs a second at least; received {seconds}")
    for name in words:
        if name not in TARGETS:
            raise unknown("target", name, TARGETS)
    print(ROW.format("target", "inputs run", "seconds", "features", "crashes"), flush=True)
    crashed = []
    for name in words or TARGETS:
        row = soaked(name, seconds)
        print(ROW.format(name, *(f"{n:,}" for n in row)), flush=True)
        crashed += [name] * row[-1]
    if crashed:
        raise InputError(f"crashed: {', '.join(crashed)}; see {CRASHES.name}/ for input and log")


def _parser():
    about, _, more = __doc__.partition("\n\n")
    parser = argparse.ArgumentParser(
        prog="python -m soak",
        usage="%(prog)s [SECONDS] [TARGET ...]",
        description=about,
        epilog=more,
    )
    parser.add_argument(
        "words", nargs="*", metavar="SECONDS, TARGET",
        help=f"of each target (default: {SECONDS}); default: all of {', '.join(TARGETS)}",
    )  # fmt: skip
    return parser


if __name__ == "__main__":
    with sentences():
        main(sys.argv[1:])
