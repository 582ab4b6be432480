"""Fuzzes every target in turn and prints one table; `make soak SECONDS=600` runs it.

`python -m soak [SECONDS] [TARGET ...]`.  An input that is not refused as it should stays in
soak/crashes/TARGET/, with the traceback in `log` there; the exit status is then 1.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from soak.targets import TARGETS
from transfer.errors import InputError, sentences, unknown

CRASHES = Path(__file__).parent / "crashes"
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
    words = list(argv)
    seconds = int(words.pop(0)) if words and words[0].isdecimal() else 60
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


if __name__ == "__main__":
    with sentences():
        main(sys.argv[1:])
