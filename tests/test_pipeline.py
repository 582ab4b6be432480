"""The workflow as a user drives it: DVC itself, in a copy of the repository, on tiny images."""

import json
import pickle
import re
import shutil
import time
import zipfile
from hashlib import sha256

import pytest
from PIL import Image

from bench.workspaces import cloned
from tests.imports import ROOT
from tests.workspace import Workspace, pictures, save_pictures
from transfer.nets import cards

MINI = cards.load(ROOT / cards.CARDS / "mini.yaml")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The project's files as git would clone them, two tiny datasets added, committed."""
    folder = cloned(tmp_path_factory.mktemp("pipeline") / "repo")
    save_pictures(folder / "data/datasets/mine", 0)
    mirror = folder.parent / "mirror"
    mirror.mkdir()
    with zipfile.ZipFile(mirror / "cold.zip", "w") as archive:
        for member, picture in pictures(1):
            with archive.open(member, "w") as out:
                picture.save(out, "PNG")
    digest = sha256((mirror / "cold.zip").read_bytes()).hexdigest()
    (mirror / "SHA256SUMS").write_text(f"{digest}  cold.zip\n")
    (folder / "data/datasets/cold").mkdir()
    (folder / "data/datasets/cold/source.yaml").write_text(
        "layout: class_folders\nfiles: [{name: cold.zip}]\nsplit: {validation: 0.2, test: 0.2}\n"
    )
    params = (folder / "params.yaml").read_text()
    for old, new in [
        ("dataset: sample", "dataset: mine"),
        ("mirror: ''", "mirror: ../mirror"),
        ("per_class: 100", "per_class: 4"),
    ]:
        assert old in params
        params = params.replace(old, new)
    (folder / "params.yaml").write_text(params)
    space = Workspace(folder, folder.parent / "store")
    space.commit()
    return space


@pytest.fixture(scope="module")
def repo(made):
    """The same after its first `dvc repro`, committed."""
    made.call("dvc", "repro")
    made.commit()
    return made


def test_repro_gives_packs_head_and_metrics(repo):
    found = repo.metrics()
    assert (found["n_train"], found["validation"]["n"], found["test"]["n"]) == (12, 6, 6)
    assert (found["data"], found["weights"], found["n_unreadable"]) == ("own", "published", 0)
    assert found["validation"]["accuracy"] == 1.0
    name = "data/bottlenecks/mini_mine_4_bottleneck_features_train.p"
    pack = pickle.loads((repo.folder / name).read_bytes())  # plain pickle opens ours
    assert pack["features"].shape == (12, 1, 1, MINI.features)
    assert sorted(set(pack["labels"])) == [0, 1, 2]
    index = (repo.folder / "data/index/mine.csv").read_text().splitlines()
    rows = [line for line in index[1:] if ",train," in line]
    assert list(pack["ids"]) == [line.split(",")[0] for line in rows]
    assert sorted(p.name for p in (repo.folder / "data/raw/mine").iterdir()) == ["manifest.json"]
    assert repo.changed() == [], repo.call("git", "diff")


def test_a_second_repro_runs_nothing(repo):
    out = repo.call("dvc", "repro")
    assert re.findall("Running stage '(.*)'", out) == []


def test_a_forced_rerun_in_an_empty_store_gives_the_same_bytes(repo):
    before = repo.outputs()
    assert len(before) >= 14
    shutil.rmtree(repo.folder.parent / "store")
    shutil.rmtree(repo.folder / ".dvc/cache/runs")
    repo.call("dvc", "repro", "--force")
    assert repo.outputs() == before
    assert repo.changed() == [], repo.call("git", "diff")


def test_a_switch_changes_lock_params_and_metrics_alone_and_back_comes_from_the_cache(repo):
    first = repo.metrics()
    out = repo.call(
        "dvc", "exp", "run", "-n", "squeeze", "-S", "net=squeezenet", "-S", "weights=random"
    )
    assert "squeezenet on mine, untrained: 24 images" in out
    assert repo.changed() == ["dvc.lock", "params.yaml", "reports/metrics.json"]
    assert repo.metrics() != first
    back = repo.call(
        "dvc", "exp", "run", "-n", "back", "-S", "net=mini", "-S", "weights=pretrained"
    )
    assert "is cached - skipping run" in back
    assert "Running stage 'extract'" not in back
    assert "Running stage 'backbone'" not in back
    assert repo.changed() == [], repo.call("git", "diff")
    assert repo.metrics() == first
    difference = repo.call("dvc", "metrics", "diff", "squeeze", "back", "--json")
    assert "log_loss" in difference
    assert "accuracy" in repo.call("dvc", "metrics", "show")
    plots = repo.call("dvc", "plots", "diff", "squeeze", "back", "--json", "-o", "plots")
    assert "confusion.csv" in plots
    files = ("recall.csv", "map.csv", "mistakes.png", "samples.png")
    assert all(name in plots for name in ("Loss", "Accuracy", *files))
    shutil.rmtree(repo.folder / "plots", ignore_errors=True)


def test_a_queued_grid_over_a_cold_dataset_with_a_relative_mirror(repo):
    grid = ["-S", "dataset=cold", "-S", "head.kind=softmax,mlp"]
    repo.call("dvc", "exp", "run", "--queue", "-n", "cold", *grid)
    repo.call("dvc", "queue", "start")
    for _ in range(120):
        states = repo.call("dvc", "queue", "status")
        if "Running" not in states and "Queued" not in states:
            break
        time.sleep(1)
    assert states.count("Success") == 2, states
    shown = repo.call("dvc", "metrics", "diff", "--all", "--json", "cold-1", "cold-2")
    found = json.loads(shown)["reports/metrics.json"]
    assert found["n_train"] == {"old": 12, "new": 12, "diff": 0}
    assert found["data"]["old"] == found["data"]["new"] == "mirror"
    assert found["validation.log_loss"]["diff"] != 0
    assert repo.changed() == [], repo.call("git", "diff")


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("net=minni", "error: unknown net 'minni'; known: mini, "),
        ('dataset="it\'s"', "params.yaml, line 10: dataset must be a folder's name"),
        ("dataset=mime", "error: unknown dataset 'mime'; known: mine, "),
        ("mirror=nowhere", "/nowhere can't be used: "),
        ("split.by=frame", "params.yaml, line 18: split.by must be one of group, image"),
    ],
)
def test_bad_names_get_one_sentence(repo, override, sentence):
    words = ["-S", override]
    if override.startswith("mirror"):
        words += ["-S", "dataset=cold", "-S", "net=resnet"]
    out = repo.fail("dvc", "exp", "run", *words)
    assert sentence in out
    assert "Traceback" not in out
    assert repo.changed() == [], repo.call("git", "diff")


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        # The others are in tests/test_readers.py.
        ({"one/a.png": True, "two/": None}, "the class two has no image in two; expected"),
    ],
)
def test_bad_folders_get_one_sentence(repo, files, sentence):
    folder = repo.folder / "data/datasets/bad"
    for name, picture in files.items():
        path = folder / name
        (path if picture is None else path.parent).mkdir(parents=True, exist_ok=True)
        if picture:
            Image.new("RGB", (8, 8)).save(path)
    out = repo.fail("dvc", "exp", "run", "-S", "dataset=bad")
    shutil.rmtree(folder)
    assert "Traceback" not in out
    (line,) = [line for line in out.splitlines() if line.startswith("error: ")]
    assert sentence in line


def test_a_clone_of_what_was_pushed_computes_nothing(repo, tmp_path):
    repo.call("dvc", "remote", "add", "-d", "shared", str(tmp_path / "remote"))
    try:
        repo.commit()
        repo.call("dvc", "push")
        folder = tmp_path / "clone"
        repo.call("git", "clone", "-q", str(repo.folder), str(folder))
        other = Workspace(folder, tmp_path / "store")  # which is empty, so what is computed shows
        shutil.copytree(
            repo.folder / "data/datasets/mine", folder / "data/datasets/mine", dirs_exist_ok=True
        )
        out = other.call("dvc", "repro", "--pull")
        assert "were computed" not in out
        assert not (tmp_path / "store").exists()
        assert repo.outputs().items() <= other.outputs().items()
        assert other.changed() == []
    finally:
        repo.call("dvc", "remote", "remove", "shared")
        repo.commit()
