"""The locks in DVC's temporary folder, which a killed process may leave (dvc/rwlock.py)."""

import json
from itertools import chain
from pathlib import Path

from transfer.health.findings import off, well
from transfer.processes import is_running

FOLDER = Path(".dvc/tmp")


def check(folder=FOLDER):
    """The Finding about the locks in DVC's temporary folder."""
    written = Path(folder) / "rwlock"
    try:
        told = json.loads(written.read_text(encoding="utf-8"))
        holders = [
            *told.get("write", {}).values(),
            *chain.from_iterable(told.get("read", {}).values()),
        ]
        holders = {int(one["pid"]): str(one["cmd"]) for one in holders}
    except FileNotFoundError:
        holders = {}
    except (ValueError, KeyError, TypeError, AttributeError):
        return off(
            "locks",
            f"{written} was left half written by a killed process, and DVC refuses it",
            f"rm {written}, if no dvc command runs",
        )
    # DVC passes over a dead process, until its number is another's: then it waits for that one.
    dead = [pid for pid in holders if not is_running(pid)]
    if dead:
        return off(
            "locks",
            f"{holders[dead[0]]} (process {dead[0]}) was killed and left its lock",
            f"rm {written}, if no dvc command runs; the same command goes on where the run was",
        )
    foreign = [pid for pid in holders if not _is_dvc(pid)]
    if foreign:
        return off(
            "locks",
            f"{written} names process {foreign[0]}, which is no dvc command: one was killed, "
            f"and its number is another's now",
            f"rm {written}, if no dvc command runs",
        )
    if holders or is_held(Path(folder) / "lock"):
        return well("locks", "a dvc command runs in this folder now")
    return well("locks", "none is left")


def _is_dvc(pid):
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:  # it has ended meanwhile, or is another user's
        return True
    return b"dvc" in words


def is_held(path):
    """Whether a process has locked the file `path`, which may stay there when it is free."""
    try:
        inode = path.stat().st_ino
        # Not by taking it: a command that starts meanwhile would find it taken.
        return f":{inode} " in Path("/proc/locks").read_text(encoding="utf-8")
    except OSError:
        return False
