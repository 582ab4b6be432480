"""The state that a stage finds and leaves: a workspace and a feature store, in one folder."""

import hashlib
import shutil
import sqlite3
from pathlib import Path

from transfer.grids import workspaces

SPACE, STORE = "space", "store"
OWN = "params.yaml"  # written before each run


def made(root, work):
    """A workspace of the repository `root` and an empty store in the new folder `work`."""
    (work / SPACE).mkdir(parents=True)
    (work / STORE).mkdir()
    workspaces.made(root, work / SPACE)


def copy(work, to):
    shutil.copytree(work, to, symlinks=True, dirs_exist_ok=True)


def run(root, work, stage, settings):
    """(words, keywords of subprocess.Popen) of the stage in the state `work`."""
    space = workspaces.Workspace(root, work / SPACE)
    return space.stage(stage, settings, work / STORE, lambda words, **how: (words, how))


def files(work):
    """{path in the workspace: SHA-256} of all files there but params.yaml."""
    space = work / SPACE
    return {
        str(path.relative_to(space)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(space.rglob("*"))
        if path.is_file() and not path.is_symlink() and path != space / OWN
    }


def features(work):
    """How many features a reader of the store sees."""
    found = 0
    for path in sorted(Path(work, STORE).rglob("*.sqlite")):
        base = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=60)
        try:
            found += base.execute("SELECT count(*) FROM features").fetchone()[0]
        except sqlite3.OperationalError:  # it has none, or was being made
            continue
        finally:
            base.close()
    return found
