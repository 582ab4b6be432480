"""Workspaces of this repository whose stages are measured, and clones of it."""

import shutil
import subprocess
from pathlib import Path

from bench import processes
from transfer.datasets.sources import FOLDER as DATASETS
from transfer.grids import workspaces

ROOT = Path(__file__).resolve().parents[1]


class Workspace(workspaces.Workspace):
    """A workspace whose stages are measured."""

    def stage(self, name, settings, store, **how):
        """Runs the stage `name` as `workspaces.Workspace` does; returns processes.Finished.

        how: keywords of processes.run.
        """
        return super().stage(name, settings, store, processes.run, **how)


def made(folder):
    """A new Workspace in `folder`: copies of the cards, and links to the datasets and weights."""
    return Workspace(ROOT, workspaces.made(ROOT, folder).folder)


def parameters(settings):
    """The tree of the repository's params.yaml with `settings`, {dotted key: value}, put in."""
    return workspaces.parameters(ROOT, settings)


def stages():
    """{name: its entry in dvc.yaml} of the stages, in their order."""
    return workspaces.stages(ROOT)


def command(stage, params):
    """The words of the command of `stage` in dvc.yaml under the parameters `params`, a tree."""
    return workspaces.command(stages()[stage], params)


def environment(store, code=ROOT):
    """The environment of a stage: `store` as its feature store, `code` the repository it is of."""
    return workspaces.environment(store, code)


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
