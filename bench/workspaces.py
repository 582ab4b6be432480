"""Folders laid out as the repository, for stages to run in, with parameters of their own."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml

from bench import processes
from transfer.datasets.sources import FOLDER as DATASETS
from transfer.nets.cards import CARDS

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Workspace:
    """folder: where stages run; the code is the repository's own."""

    folder: Path

    def stage(self, name, settings, store, **how):
        """Runs the stage `name` by its command in dvc.yaml; returns processes.Finished.

        settings: {dotted key of params.yaml: value}, the rest as in the repository; store: the
        folder of the feature store; how: keywords of processes.run.
        """
        params = parameters(settings)
        (self.folder / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
        words = command(name, params)
        return processes.run(words, cwd=self.folder, env=environment(store), **how)

    def at(self, template, settings):
        """The path in this workspace that `template` stands for, as `data/index/${dataset}.csv`."""
        return self.folder / _filled(template, parameters(settings))


def made(folder):
    """A new Workspace in `folder`: copies of the cards, and links to the datasets."""
    folder = Path(folder)
    shutil.copytree(ROOT / CARDS, folder / CARDS)
    (folder / DATASETS).mkdir(parents=True)
    for dataset in sorted((ROOT / DATASETS).iterdir()):
        if dataset.is_dir():
            (folder / DATASETS / dataset.name).symlink_to(dataset)
    return Workspace(folder)


def parameters(settings):
    """The tree of the repository's params.yaml with `settings`, {dotted key: value}, put in.

    Raises KeyError for a key that params.yaml lacks.
    """
    tree = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    for key, value in settings.items():
        *sections, name = key.split(".")
        place = tree
        for section in sections:
            place = place[section]
        if name not in place:
            raise KeyError(f"params.yaml lacks the key {key}")
        place[name] = value
    return tree


def stages():
    """{name: its entry in dvc.yaml} of the stages, in their order."""
    return yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]


def command(stage, params):
    """The words of the command of `stage` in dvc.yaml under the parameters `params`, a tree."""
    python, *words = shlex.split(_filled(stages()[stage]["cmd"], params))
    assert python == "python"
    return [sys.executable, *words]


def environment(store, code=ROOT):
    """The environment of a stage: `store` as its feature store, `code` the repository it is of."""
    python = Path(sys.executable).parent
    env = os.environ | {
        "PYTHONPATH": str(code),
        "TRANSFER_STORE": str(Path(store).absolute()),
        "PATH": f"{python}:{os.environ.get('PATH', os.defpath)}",
    }
    mirror = env.get("TRANSFER_MIRROR", "")
    if mirror and "://" not in mirror:  # relative to where the benchmark was called
        env["TRANSFER_MIRROR"] = str(Path(mirror).expanduser().absolute())
    env.pop("DVC_ROOT", None)
    return env


def cloned(folder):
    """Makes `folder` a git repository of the project's files, as they lie here, committed; without
    results and without the user's own images."""
    folder = Path(folder)
    listed = _git(ROOT, "ls-files", "-co", "--exclude-standard").splitlines()
    for name in listed:
        own = Path(name).is_relative_to(DATASETS) and Path(name).suffix not in (".yaml", ".md")
        left = own or name in ("dvc.lock", "reports/metrics.json")
        if (ROOT / name).is_file() and not left:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    return committed(folder)


def committed(folder):
    """Makes `folder` a git repository, where it is none, with all its files committed."""
    _git(folder, "init", "-q")
    _git(folder, "add", "-A")
    settings = ("user.name=bench", "user.email=bench@localhost", "commit.gpgsign=false")
    how = [word for setting in settings for word in ("-c", setting)]
    _git(folder, *how, "commit", "-q", "--allow-empty", "-m", "state")
    return folder


def _git(folder, *words):
    return subprocess.run(
        ["git", *words], cwd=folder, check=True, capture_output=True, text=True
    ).stdout


def _filled(template, params):
    """`template` with each `${dotted.key}` replaced by its value in the tree `params`."""

    def value(match):
        found = params
        for part in match[1].split("."):
            found = found[part]
        return str(found)

    return re.sub(r"\$\{([\w.]+)\}", value, template)
