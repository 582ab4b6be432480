"""Folders laid out as the repository, for stages to run in, with parameters of their own."""

import os
import re
import shlex
import shutil
import sys
from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import yaml

from transfer import trees
from transfer.datasets.sources import FOLDER as DATASETS
from transfer.errors import InputError, unknown
from transfer.grids import processes
from transfer.nets import cards


@dataclass(frozen=True)
class Workspace:
    """root: the repository, whose code, dvc.yaml and params.yaml hold; folder: where stages run."""

    root: Path
    folder: Path

    def stage(self, name, settings, store, run=processes.run, **how):
        """Runs the stage `name` by its command in dvc.yaml; returns what `run` does.

        settings: {dotted key of params.yaml: value}, the rest as in the repository; store: the
        folder of the feature store; run: a function of the command's words, cwd= and env=, which
        gets the keywords `how` too.
        """
        params = parameters(self.root, settings)
        (self.folder / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
        words = command(stages(self.root)[name], params)
        return run(words, cwd=self.folder, env=environment(store, self.root), **how)

    def at(self, template, settings):
        """The path in this workspace that `template` stands for, as `data/index/${dataset}.csv`."""
        return self.folder / filled(template, parameters(self.root, settings))


def made(root, folder):
    """A new Workspace of the repository `root` in `folder`: copies of its cards, and links to its
    datasets and to the weights that come with it."""
    root, folder = Path(root).absolute(), Path(folder)
    shutil.copytree(root / cards.CARDS, folder / cards.CARDS)
    for path in cards.shipped(root):
        (folder / path).symlink_to(root / path)
    (folder / DATASETS).mkdir(parents=True)
    for dataset in sorted((root / DATASETS).iterdir()):
        if dataset.is_dir():
            (folder / DATASETS / dataset.name).symlink_to(dataset)
    return Workspace(root, folder)


def parameters(root, settings):
    """The tree of params.yaml in `root` with `settings`, {dotted key: value}, put in.

    Raises InputError for a key that params.yaml lacks.
    """
    tree = deepcopy(_read(Path(root, "params.yaml")))
    known = flat(tree)
    for key, value in settings.items():
        if key not in known:
            raise unknown("key of params.yaml", key, known)
        *sections, name = key.split(".")
        place = tree
        for section in sections:
            place = place[section]
        place[name] = value
    return tree


def flat(tree, prefix=""):
    """{dotted key: value} of the leaves of a tree of mappings."""
    found = {}
    for name, value in tree.items():
        is_section = isinstance(value, dict)
        found |= flat(value, f"{prefix}{name}.") if is_section else {f"{prefix}{name}": value}
    return found


def stages(root):
    """{name: its entry in the dvc.yaml of `root`} of the stages, in their order."""
    return _read(Path(root, "dvc.yaml"))["stages"]


def command(stage, params):
    """The words of the command of `stage`, an entry of dvc.yaml, under the parameters `params`."""
    python, *words = shlex.split(filled(stage["cmd"], params))
    assert python == "python"
    return [sys.executable, *words]


def environment(store, code):
    """The environment of a stage: `store` as its feature store, `code` the repository it is of."""
    python = Path(sys.executable).parent
    env = os.environ | {
        "PYTHONPATH": str(code),
        "TRANSFER_STORE": str(Path(store).absolute()),
        "PATH": f"{python}:{os.environ.get('PATH', os.defpath)}",
        # A relative `mirror` of params.yaml is the repository's, as in an experiment's copy.
        "DVC_ROOT": str(code),
    }
    mirror = env.get("TRANSFER_MIRROR", "")
    if mirror and "://" not in mirror:  # relative to where the command was called
        env["TRANSFER_MIRROR"] = str(Path(mirror).expanduser().absolute())
    return env


def filled(template, params):
    """`template` with each `${dotted.key}` replaced by its value in the tree `params`."""

    def value(match):
        found = params
        for part in match[1].split("."):
            found = found[part]
        return str(found)

    return re.sub(r"\$\{([\w.]+)\}", value, template)


def _read(path):
    try:
        return _parsed(path.name, trees.content(path))
    except FileNotFoundError:
        raise InputError(f"{path.name} is not here; run in the repository's root") from None


@lru_cache(maxsize=8)  # a grid asks for each cell; to parse dvc.yaml takes a tenth of a second
def _parsed(name, data):
    return trees.parsed(data, Path(name)).value
