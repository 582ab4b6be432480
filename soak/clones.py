"""Clones of the repository for DVC to run in: states (`soak.states`) whose workspace is a clone."""

import os
import shutil
import subprocess
from pathlib import Path

import yaml

from soak import disturbances, states
from transfer.datasets.sources import FOLDER as DATASETS
from transfer.grids import workspaces

SITE = "site"  # what DVC keeps for a machine's repositories, here for one alone
AUTHOR = {
    f"GIT_{who}_{what}": "soak@localhost"
    for who in ("AUTHOR", "COMMITTER")
    for what in ("NAME", "EMAIL")
}


def made(root, work, settings, images):
    """Clones the repository `root`, with what is not committed there, into the new folder `work`,
    with an empty store; commits there `settings`, {dotted key of params.yaml: value}, and a
    rendered sample of so many images a class."""
    space = work / states.SPACE
    (work / states.STORE).mkdir(parents=True)
    _git(work, "clone", "-q", "--no-hardlinks", root, space)
    changed = _git(root, "diff", "--name-only", "--no-renames", "-z", "HEAD")  # staged or not
    new = _git(root, "ls-files", "--others", "--exclude-standard", "-z")
    for name in f"{changed}{new}".split("\0"):
        own = Path(name).is_relative_to(DATASETS)
        if name and not own:
            _taken(Path(root, name), space / name)
    set_parameters(work, settings)
    source = space / DATASETS / "sample/source.yaml"
    tree = yaml.safe_load(source.read_text(encoding="utf-8"))
    tree["render"]["images"] = images
    source.write_text(yaml.safe_dump(tree), encoding="utf-8")
    _git(space, "add", "-A")
    _git(space, "-c", "commit.gpgsign=false", "commit", "-q", "--allow-empty", "-m", "state")


def set_parameters(work, settings):
    """Writes `settings`, {dotted key: value}, into params.yaml; the rest stays."""
    tree = workspaces.parameters(work / states.SPACE, settings)
    (work / states.SPACE / "params.yaml").write_text(yaml.safe_dump(tree), encoding="utf-8")


def dvc(work, *words):
    """(words, keywords of subprocess.Popen) of the DVC command `words` in the state `work`."""
    space = work / states.SPACE
    env = workspaces.environment(work / states.STORE, space) | AUTHOR
    for name in ("PYTHONPATH", "DVC_ROOT", "TRANSFER_MIRROR"):  # DVC sets what there must be
        env.pop(name, None)
    env["DVC_SITE_CACHE_DIR"] = str(work / SITE)
    return ["dvc", *words], {"cwd": space, "env": env}


def repro(work, *stages):
    """The Ran of `dvc repro` undisturbed; raises RuntimeError where it fails."""
    ran = disturbances.undisturbed(dvc(work, "repro", *stages))
    if ran.code:
        raise RuntimeError(f"dvc repro undisturbed ended by {ran.code}: {ran.error.strip()}")
    return ran


def outputs(work):
    """{path in the workspace: SHA-256} of all files there that are neither git's nor DVC's own, nor
    compiled code, nor params.yaml; dvc.lock is one of them."""
    return {
        name: digest
        for name, digest in states.files(work).items()
        if not {".git", ".dvc", "__pycache__"} & set(Path(name).parts)
    }


def experiment(work, name, file):
    """The text of `file` in the commit of the experiment `name`; None where there is no such."""
    space = work / states.SPACE
    references = _git(space, "for-each-ref", "--format=%(refname)", "refs/exps").split()
    for reference in references:
        if reference.rpartition("/")[2] == name:
            return _git(space, "show", f"{reference}:{file}")
    return None


def _taken(path, to):
    if path.is_file():
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, to)
    else:
        to.unlink(missing_ok=True)


def _git(folder, *words):
    return subprocess.run(
        ["git", *words],
        cwd=folder,
        env=os.environ | AUTHOR,
        check=True,
        capture_output=True,
        encoding="utf-8",
    ).stdout
