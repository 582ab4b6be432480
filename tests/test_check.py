"""Stage check: every fault of params.yaml that can be known before the first costly step."""

import shutil

import pytest
import yaml

from stages import check
from tests.imports import ROOT
from tests.workspace import Workspace, save_pictures
from transfer.datasets import sources
from transfer.errors import InputError
from transfer.nets import cards

GIVEN = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with what params.yaml may name, and a folder of images of one class."""
    (tmp_path / "models").mkdir()
    (tmp_path / cards.CARDS).symlink_to(ROOT / cards.CARDS)
    (tmp_path / sources.FOLDER / "mine/one").mkdir(parents=True)
    (tmp_path / sources.FOLDER / "mine/one/a.png").write_bytes(b"")
    (tmp_path / sources.FOLDER / "advised").mkdir()
    (tmp_path / sources.FOLDER / "advised/source.yaml").write_text(
        "render: {}\nrecommend: {minni: {size: 96}}\n"
    )
    for name in ("sample", "cifar10"):
        (tmp_path / sources.FOLDER / name).symlink_to(ROOT / sources.FOLDER / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(folder, **changes):
    given = {**GIVEN, **changes}
    (folder / "params.yaml").write_text(yaml.safe_dump(given))
    check.main(folder / "checked")
    return (folder / "checked").read_text()


def test_whatever_is_right_gives_one_constant_line(here):
    one = run(here)
    assert one.count("\n") == 1
    assert run(here, net="resnet", dataset="cifar10", weights="random") == one


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"net": "minni"}, "unknown net 'minni'; known: mini, "),
        ({"dataset": "smaple"}, "unknown dataset 'smaple'; known: "),
        ({"net": "x'; touch pwned; echo '"}, "net must be a card's name in models/cards"),
        ({"dataset": "mine"}, "mine needs at least two class folders with images; received one"),
        ({"head": GIVEN["head"] | {"kind": "sofmax"}}, "unknown head 'sofmax'; known: softmax, "),
        (
            {"extract": GIVEN["extract"] | {"layers": ["blok2"]}},
            "unknown layer of mini 'blok2'; known: block2, ",
        ),
        (
            {"extract": GIVEN["extract"] | {"cut": "blok2"}},
            "unknown cut of mini 'blok2'; known: block2, ",
        ),
        ({"head": GIVEN["head"] | {"kind": "finetune"}}, "set extract.cut: auto"),
        (
            {
                "head": GIVEN["head"] | {"kind": "finetune", "upto": "nosuch"},
                "extract": GIVEN["extract"] | {"cut": "auto"},
            },
            "unknown layer of mini 'nosuch'",
        ),
        (
            {"split": GIVEN["split"] | {"validaton": 0.1}},
            "unknown key 'split.validaton'; known: split.validation",
        ),
        (
            {"extract": GIVEN["extract"] | {"views": ["plain", "flipped"]}},
            "names flipped, and data/datasets/sample/source.yaml does not say that mirroring keeps",
        ),
        ({"dataset": "advised"}, "unknown net in recommend of advised 'minni'; known: mini, "),
    ],
)
def test_each_fault_is_one_sentence(here, changes, sentence):
    with pytest.raises(InputError) as fault:
        run(here, **changes)
    assert sentence in str(fault.value)
    assert "\n" not in str(fault.value)
    assert not (here / "checked").exists()


# When DVC runs it


@pytest.fixture(scope="module")
def repo(tmp_path_factory):
    """The code and the cards, committed, and untracked datasets `mine` and `own`."""
    folder = tmp_path_factory.mktemp("check") / "repo"
    for name in ("stages", "transfer", "models/cards", "data/datasets/sample"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in (
        ".dvc/config", ".dvc/.gitignore", ".dvcignore", ".gitignore", "data/.gitignore",
        "dvc.yaml", "params.yaml",
    ):  # fmt: skip
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    space = Workspace(folder, folder.parent / "store")
    space.call("git", "init", "-q")
    space.call("dvc", "repro", "check")
    space.commit()
    for name in ("mine", "own"):
        save_pictures(folder / sources.FOLDER / name, 0)
    return space


RUNS = "Running stage 'check'"


@pytest.mark.parametrize(
    ("name", "change", "sentence"),
    [
        (
            "params.yaml",
            lambda text: f"{text}  layres: 2\n",
            ": unknown key 'head.layres'; known: ",
        ),
        ("models/cards/mini.yaml", lambda text: f"{text}sise: 2\n", "unknown key 'sise'; known: "),
        ("models/cards/mini.yaml", None, "error: unknown net 'mini'; known: "),
    ],
)
def test_it_runs_where_params_or_a_card_changed(repo, name, change, sentence):
    path = repo.folder / name
    before = path.read_text()
    if change:
        path.write_text(change(before))
    else:
        path.unlink()
    out = repo.call("dvc", "repro", "check", ok=False)
    path.write_text(before)
    assert sentence in out


def test_nothing_new_runs_nothing(repo):
    """A fault that was corrected by taking it back is nothing new either."""
    assert RUNS not in repo.call("dvc", "repro", "check")


def test_it_runs_again_for_params_that_were_right_before(repo):
    """The run cache knows params and cards, but not what has become of the dataset's folder."""
    params, mine = repo.folder / "params.yaml", repo.folder / sources.FOLDER / "mine"
    before = params.read_text()
    changed = before.replace("dataset: sample", "dataset: mine")
    params.write_text(changed)
    assert RUNS in repo.call("dvc", "repro", "check")
    # In a copy of the workspace too, which lacks the untracked folder.
    out = repo.call("dvc", "exp", "run", "--temp", "check", ok=False)
    assert "error: data/datasets/mine is not in the copy of the workspace that th" in out
    params.write_text(before)
    assert RUNS in repo.call("dvc", "repro", "check")
    mine.rename(mine.with_name("yours"))
    params.write_text(changed)
    out = repo.call("dvc", "repro", "check", ok=False)
    assert "error: unknown dataset 'mine'; known: " in out


@pytest.mark.parametrize(
    "setting",
    [
        "dataset=..",
        "dataset=../datasets",
        "dataset=../../data",
        "dataset=.",
        "dataset=",
        "dataset=x/../../datasets",
        "net=..",
        "net=../cards",
        "net=",
    ],
)
def test_a_name_that_leads_elsewhere_is_refused_before_dvc_clears_that_place(repo, setting):
    """`dvc exp run` removes what lies at the path of an output that it knows nothing of."""
    there = sorted(path for path in repo.folder.rglob("*") if ".dvc/tmp" not in str(path))
    assert repo.folder / sources.FOLDER / "own/red/0.png" in there
    out = repo.fail("dvc", "exp", "run", "-S", setting)
    assert "net-and-dataset-are-names" in out
    assert all(path.exists() for path in there if ".git/" not in str(path))
