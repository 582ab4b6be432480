"""`python -m transfer` as a user runs it, in a process of its own."""

import os
import subprocess
import sys

from tests.imports import ROOT


def command(*words, cwd=ROOT):
    """(status, stdout, stderr) of `python -m transfer WORDS` in the folder `cwd`."""
    run = subprocess.run(
        [sys.executable, "-m", "transfer", *words],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    return run.returncode, run.stdout, run.stderr
