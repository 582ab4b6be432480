"""The folder the doctor is called in: whether it is this repository at all."""

import shlex
from pathlib import Path

from transfer.health.findings import off, well

# What only this repository has; a file that it lacks is told by the check of what is in it.
MARKS = (Path("models/cards"), Path("data/datasets"))
CODE = Path(__file__).parents[2]  # the repository that this code is of


def check(code=CODE):
    """The Finding about the current folder; `code`: the repository to send people to, where it is
    one."""
    if any(mark.is_dir() for mark in MARKS):
        return well("place", f"{Path.cwd()} is the repository")
    there = all((code / mark).is_dir() for mark in MARKS)
    return off(
        "place",
        f"{Path.cwd()} is not the repository: it has neither {' nor '.join(map(str, MARKS))}",
        f"`cd {shlex.quote(str(code))}`" if there else "call it in the repository's root",
    )
