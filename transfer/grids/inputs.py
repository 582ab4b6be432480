"""What decides the metrics of a cell: parameters, commands, and the contents of what is in git."""

import os
import re
from functools import cache
from pathlib import Path

from transfer import requirements
from transfer.datasets import sources
from transfer.downloads import mirrors
from transfer.features import gpus
from transfer.grids import workspaces
from transfer.grids.pipeline import digest, json_digest, outputs, plain
from transfer.nets.cards import CARDS


def key(root, settings, contents):
    """The digest that a cell is known by; contents: of `contents`."""
    params = workspaces.parameters(root, settings)
    stages = workspaces.stages(root).values()
    commands = [[workspaces.filled(s["cmd"], params), s.get("params")] for s in stages]
    # Where a mirror lies decides nothing, what it holds does.
    values = workspaces.flat(params) | {"mirror": None}
    return json_digest([values, commands, contents, machine(Path(root))])


@cache
def machine(root):
    """What of this machine decides features: the versions of the packages that are installed, the
    CPU's instruction sets, and what keeps TensorFlow from a GPU."""
    pinned = requirements.pinned(root / "requirements.txt")
    flags = re.search(r"^flags.*$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.M)
    return [
        {name: requirements.installed(name) for name in pinned},
        flags and flags[0],
        gpus.lacking(),
    ]


def contents(root, settings):
    """{name: what stands for its contents} of the files and folders that no stage writes and one
    reads under `settings`, and of the mirror.

    Raises InputError for an unknown key, a dataset or a mirror that is not there.
    """
    root = Path(root)
    params = workspaces.parameters(root, settings)
    stages = workspaces.stages(root).values()
    written = {plain(template, params) for stage in stages for template in outputs(stage)}
    read = {plain(template, params) for stage in stages for template in stage["deps"]} - written
    mirror = mirrors.find(params.get("mirror", ""))
    return {place: _content(root, place) for place in sorted(read)} | {"the mirror": mirror.sums}


def shared(root):
    """The same of what all cells share: dvc.yaml and the cards."""
    names = ("dvc.yaml", *(f"{CARDS}/{path.name}" for path in _cards(root)))
    return {name: _content(Path(root), name) for name in names}


def _cards(root):
    return sorted(Path(root, CARDS).glob("*.yaml"))


def _content(root, place):
    path = root / place
    if Path(place) == CARDS:  # the net's own card is a dep of its own; the others decide nothing
        return None
    if Path(place).parent == sources.FOLDER:
        return _dataset(path)
    return digest(path) if path.exists() else None


def _dataset(folder):
    """The digest of the source file; of own images the names, sizes and times too."""
    source = folder / sources.NAME
    found = [digest(source) if source.is_file() else None]
    if sources.load(folder).kind == "own":
        for place, folders, names in os.walk(folder, followlinks=True):
            folders.sort()
            for name in sorted(names):
                path = os.path.join(place, name)
                # Of a link to nothing the stages tell, in a sentence.
                status = os.stat(path, follow_symlinks=os.path.exists(path))
                found.append([os.path.relpath(path, folder), status.st_size, status.st_mtime_ns])
    return found
