"""Files written whole or not at all."""

import contextlib
import glob
import json
import os
import re
from pathlib import Path

from transfer.processes import is_running


@contextlib.contextmanager
def replacing(path, mode="w"):
    """A file open for writing (`mode` w: UTF-8, newlines as given; or wb) that takes the place of
    `path` once all went well; a fault or a kill leaves what was there.

    What was there is never written into: it may be one file with DVC's cached copy.  What a process
    that was killed left of an earlier try is removed.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep(path.parent, glob.escape(path.name))
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    how = {} if "b" in mode else {"encoding": "utf-8", "newline": ""}
    try:
        with part.open(mode, **how) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as fault:
        if fault.filename == str(part):  # a name that nobody has given
            fault.filename = str(path)
        raise
    finally:
        with contextlib.suppress(OSError):  # it is gone after success
            part.unlink()


def sweep(folder, names="*"):
    """Removes what processes that are no more left in `folder` of files that they were replacing,
    whose names match the glob `names`; returns {name removed: bytes}."""
    gone = {}
    for part in sorted(folder.glob(f".{names}.*.part")):
        number = part.name.split(".")[-2]
        if re.fullmatch(r"[0-9]{1,10}", number) and not is_running(int(number)):
            with contextlib.suppress(OSError):  # another one swept it, or it can't be helped
                size = part.lstat().st_size
                part.unlink()
                gone[part.name] = size
    return gone


def write_json(path, value):
    """Writes `value` as JSON that is small to diff: sorted keys, finite numbers, final newline."""
    with replacing(path) as file:
        file.write(json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n")
