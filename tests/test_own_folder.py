"""The user's own images by a link, and in the copies of the workspace that experiments run in."""

import re
import shutil
from pathlib import Path

import pytest

from tests.imports import ROOT
from tests.workspace import Workspace, save_pictures
from transfer.datasets import copies, sources
from transfer.errors import InputError

PLACE = Path("data/datasets")


def photos(folder, seed=0):
    save_pictures(folder, seed)
    return folder


# The sentences, without DVC


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """(workspace, copy of it), both empty, as a stage of a queued experiment sees them."""
    here = tmp_path / "workspace" / ".dvc" / "tmp" / "exps" / "x"
    for root in (tmp_path / "workspace", here):
        (root / PLACE).mkdir(parents=True)
    monkeypatch.chdir(here)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "workspace"))
    return tmp_path / "workspace", here


def refusal(name="mine"):
    with pytest.raises(InputError) as fault:
        sources.load(PLACE / name)
    assert "\n" not in str(fault.value)
    return str(fault.value)


def test_a_folder_that_the_copy_lacks(copy):
    workspace, _ = copy
    (workspace / PLACE / "mine").mkdir()
    told = (
        "data/datasets/mine is not in the copy of the workspace that this experiment runs in, "
        "which holds only what git or DVC tracks; {} and run the experiment again"
    )
    both = (
        "`git add data/datasets/mine`, or `dvc add data/datasets/mine` and `git add "
        "data/datasets/mine.dvc`,"
    )
    assert refusal() == told.format(both)
    (workspace / PLACE / "mine.dvc").write_text("")
    assert refusal() == told.format("`git add data/datasets/mine.dvc`")
    assert refusal("mime") == "unknown dataset 'mime'; known: none"
    (workspace / PLACE / "rel").symlink_to("mine")
    assert "; make the link data/datasets/rel absolute, `git add data/datasets/rel` " in refusal(
        "rel"
    )
    (workspace / PLACE / "far").symlink_to(workspace / PLACE / "mine")
    assert "; `git add data/datasets/far` and run " in refusal("far")


def test_links_that_lead_nowhere(copy, monkeypatch):
    workspace, here = copy
    (workspace / "photos").mkdir()
    for root in copy:
        (root / PLACE / "rel").symlink_to("../../../photos" if root == here else "../../photos")
        (root / PLACE / "gone").symlink_to("/nowhere/at/all")
        (root / PLACE / "file").symlink_to(__file__)
    assert refusal("rel") == (
        "data/datasets/rel is a link to ../../../photos, which leads to no folder from the copy "
        "of the workspace that this experiment runs in; make the link absolute, `git add` it and "
        "run the experiment again"
    )
    nowhere = "is a link to /nowhere/at/all, where no folder is; correct or remove the link"
    assert refusal("gone") == f"data/datasets/gone {nowhere}"
    assert refusal("file").startswith(f"data/datasets/file is a link to {__file__}, where no f")
    monkeypatch.chdir(workspace)
    assert refusal("gone") == f"data/datasets/gone {nowhere}"
    assert sources.load(PLACE / "rel").name == "rel"


def test_files_that_the_copy_lacks(copy, monkeypatch):
    workspace, here = copy
    for root in copy:
        photos(root / PLACE / "mine")
    assert copies.shortfall(PLACE / "mine") == ""
    for name in ("red/extra.png", ".hidden/x.png", "red/.x.png"):
        (workspace / PLACE / "mine" / name).parent.mkdir(exist_ok=True)
        (workspace / PLACE / "mine" / name).write_bytes(b"")
    (here / PLACE / "mine" / "blue" / "3.png").unlink()
    (here / PLACE / "mine" / "only_here.png").write_bytes(b"")
    assert copies.shortfall(PLACE / "mine").startswith(
        "2 files of data/datasets/mine in the workspace, the first blue/3.png, are not in the copy"
    )
    shutil.rmtree(here / PLACE / "mine")
    (here / PLACE / "mine").symlink_to(workspace / PLACE / "mine")
    assert copies.shortfall(PLACE / "mine") == ""
    monkeypatch.chdir(workspace)
    assert copies.original(PLACE / "mine") is None
    assert copies.shortfall(PLACE / "mine") == ""


# With DVC


@pytest.fixture(scope="module")
def repo(tmp_path_factory):
    """The project, committed, its dataset `mine` an absolute link to photos elsewhere."""
    folder = tmp_path_factory.mktemp("own") / "repo"
    folder.mkdir()
    for name in (".dvc/config", ".dvc/.gitignore", ".dvcignore", ".gitignore", "requirements.txt"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    for name in ("stages", "transfer", "models/cards", "data/datasets/cifar10"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("dvc.yaml", "data/.gitignore", "models/.gitignore"):
        shutil.copy(ROOT / name, folder / name)
    params = (ROOT / "params.yaml").read_text().replace("dataset: sample", "dataset: mine")
    (folder / "params.yaml").write_text(params.replace("per_class: 100", "per_class: 4"))
    (folder / PLACE / "mine").symlink_to(photos(folder.parent / "photos"))
    space = Workspace(folder, folder.parent / "store")
    space.call("git", "init", "-q")
    space.commit()
    return space


def state(folder):
    """{path: (bytes, time of the last change)} of everything below `folder`."""
    return {
        str(path): (path.read_bytes() if path.is_file() else b"", path.stat().st_mtime_ns)
        for path in [folder, *sorted(folder.rglob("*"))]
    }


def test_a_linked_folder_in_the_workspace(repo):
    elsewhere = repo.folder.parent / "photos"
    before = state(elsewhere)
    assert "index: mine: 30 images of 3 classes" in repo.call("dvc", "repro", "index")
    assert state(elsewhere) == before
    index = (repo.folder / "data/index/mine.csv").read_text()
    assert index.splitlines()[1].startswith("blue/0.png,blue/0.png,blue,")
    assert "photos" not in index
    again = repo.call("dvc", "repro", "index")
    assert re.findall("Running stage .(.*).:", again) == []
    (elsewhere / "blue" / "9.png").unlink()
    assert "index: mine: 29 images of 3 classes" in repo.call("dvc", "repro", "index")
    repo.commit()


def experiment(repo, dataset, stage, *, ok=True):
    """What an experiment prints that runs `stage` on `dataset` in a copy of the workspace."""
    words = ["dvc", "exp", "run", "--temp", "-S", f"dataset={dataset}", "-S", "split.seed=1", stage]
    return repo.call(*words, ok=ok)


def test_a_committed_absolute_link_in_a_copy(repo):
    elsewhere = repo.folder.parent / "photos"
    before = state(elsewhere)
    out = experiment(repo, "mine", "index")
    assert "index: mine: " in out
    assert "note: " not in out.replace("index: note: mine knows no tracks", "")
    assert state(elsewhere) == before


def test_a_folder_under_dvc_add_in_a_copy(repo):
    photos(repo.folder / PLACE / "added")
    repo.call("dvc", "add", "-q", "data/datasets/added")
    repo.call("git", "add", "data/datasets/added.dvc", "data/datasets/.gitignore")
    out = experiment(repo, "added", "index")
    assert "index: added: 30 images of 3 classes" in out


def test_an_untracked_folder_and_a_relative_link_in_a_copy(repo):
    photos(repo.folder / PLACE / "untracked")
    out = experiment(repo, "untracked", "check", ok=False)
    assert "error: data/datasets/untracked is not in the copy of the workspace that th" in out
    (repo.folder / PLACE / "relative").symlink_to("../../../photos")
    repo.call("git", "add", "data/datasets/relative")
    out = experiment(repo, "relative", "check", ok=False)
    assert "error: data/datasets/relative is a link to ../../../photos, which leads to no f" in out


def test_a_folder_of_which_git_has_only_some_files_in_a_copy(repo):
    photos(repo.folder / PLACE / "some")
    (repo.folder / PLACE / "some" / ".gitignore").write_text("9.png\n")
    words = ["dvc", "exp", "run", "-S", "dataset=some", "index"]
    assert "note: 3 files" not in repo.call(*words)  # the workspace has them all
    repo.commit()
    out = repo.call(*words[:3], "--temp", *words[3:])  # of params that ran before
    assert "index: note: 3 files of data/datasets/some in the workspace, the first blue/9.p" in out
    out = repo.call(*words[:3], "--temp", "-S", "strict=true", *words[3:], ok=False)
    assert "error: 3 files of data/datasets/some in the workspace" in out
    assert "strict: true refuses that" in out
