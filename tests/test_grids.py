"""The tables made of cells: accuracy against images a class, and nets by settings over datasets."""

import csv
import json
import os
from pathlib import Path

import pytest
from PIL import Image

from bench.workspaces import cloned
from tests import tiny_repository
from tests.command_line import command
from tests.imports import ROOT
from tests.workspace import save_pictures
from transfer import params
from transfer.datasets import sources
from transfer.errors import InputError
from transfer.grids import budget, cells, curves, figures, layout, protocol, table
from transfer.nets import cards


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("STAGES_RAN", str(tmp_path / "ran"))
    datasets = ("sample", "cifar10", "flowers", "traffic")
    return tiny_repository.made(tmp_path / "repo", datasets, ("resnet", "mini", "broken"))


def rows(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def written(folder):
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir())}


def test_figures_are_short():
    measured = {"accuracy": 0.6285, "accuracy_low": 0.55, "accuracy_high": 1.0}
    assert figures.with_interval(measured) == ".628 (.550-1.000)"
    assert figures.mean_and_range([0.5, 0.6, 0.75]) == ".617 (.500-.750)"
    assert figures.markdown(("a", "long"), [("xyz", "1")]) == (
        "| a   | long |\n| --- | ---- |\n| xyz | 1    |"
    )
    with pytest.raises(ValueError):
        figures.markdown(("a", "b"), [("x",)])


def test_a_budget_is_a_line_with_the_mean_and_range_of_its_seeds(root, tmp_path):
    told = budget.write(
        {"net": "mini"}, ["all", 100, 20], [1, 0], "validation", root, tmp_path / "r"
    )
    assert "Settings: `net=mini weights=pretrained dataset=sample strict=false split.by=" in told
    assert "split.seed=" not in told
    assert told.splitlines()[-3:] == [
        "| 20             | 60              | .525 (.520-.530) | .520   | .530   |",
        "| 100            | 300             | .605 (.600-.610) | .600   | .610   |",
        "| all            | 90              | .805 (.800-.810) | .800   | .810   |",
    ]
    found = rows(tmp_path / "r/budget.csv")
    assert [(row["per_class"], row["seed"]) for row in found][:3] == [
        ("20", "0"),
        ("20", "1"),
        ("100", "0"),
    ]
    assert (found[-1]["accuracy"], found[-1]["fault"]) == ("0.81", "")
    assert Image.open(tmp_path / "r/budget.png").size == (840, 540)
    before = written(tmp_path / "r")
    assert sorted(before) == ["budget.csv", "budget.md", "budget.png"]
    budget.write({"net": "mini"}, [20, 100, "all"], [0, 1], "validation", root, tmp_path / "r")
    assert written(tmp_path / "r") == before


def test_one_seed_has_its_interval(root, tmp_path):
    told = budget.write({}, [20], [4], "validation", root, tmp_path)
    assert told.splitlines()[-1] == "| 20             | 60              | .560 (.280-1.000) |"


def test_what_a_budget_cant_be_made_of_is_refused(root, tmp_path):
    how = {"root": root, "reports": tmp_path / "r"}
    with pytest.raises(InputError, match=r"^nothing to show: the run has no test part; it has val"):
        budget.write({}, [20], [0], "test", **how)
    with pytest.raises(InputError, match=r"^nothing to show: `python -m stages.train`: broken has"):
        budget.write({"net": "broken"}, [20], [0], "validation", **how)
    with pytest.raises(InputError, match=r"^-S split.seed can't be given: --budgets and --seeds"):
        budget.write({"split.seed": 3}, [20], [0], "validation", **how)
    with pytest.raises(InputError, match=r"^unknown part 'tset'; known: test, validation$"):
        budget.write({}, [20], [0], "tset", **how)
    assert not (tmp_path / "r").exists()


def test_budgets_that_come_to_the_same_images_share_a_label(tmp_path):
    curves.draw(tmp_path / "one.png", "title", [(5, 15, 0.4), (100, 90, 0.6), ("all", 90, 0.6)])
    curves.draw(tmp_path / "two.png", "title", [(5, 15, 0.4)])
    assert (tmp_path / "one.png").read_bytes() != (tmp_path / "two.png").read_bytes()


def test_the_table_has_a_line_for_each_net_and_setting(root, tmp_path, capsys):
    told = table.write(["resnet", "mini"], ["cifar10", "traffic"], [0, 1], root, tmp_path / "r")
    (head, _, *lines) = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in told.splitlines()
        if line.startswith("|")
    ]
    assert head == [
        "net",
        "setting",
        "cifar10, 1,200 images",
        "cifar10, published",
        "traffic by image, 1,200 images",
        "traffic by image, published",
        "traffic by group, 1,200 images",
        "official test (of traffic by group), 2,500 images",
    ]
    figure = ".600 (.300-1.000); .605 (.600-.610)"
    assert lines[0] == ["resnet", "course", figure, ".7347", figure, ".8108", figure, figure]
    assert lines[1] == ["resnet", "card", figure, "", figure, "", figure, figure]
    assert [line[:2] for line in lines[2:]] == [
        ["resnet", "auto"],
        *(["mini", row] for row in protocol.ROWS),
    ]
    assert "over the split seeds 0, 1." in told
    found = rows(tmp_path / "r/table.csv")
    assert len(found) == 2 * 3 * 3 * 2
    assert found == sorted(found, key=lambda r: [r[name] for name in table.FIRST[:-1]])
    assert {row["params.extract.views"] for row in found} == {'["plain"]', "auto"}
    assert not {"mirror", "params.mirror"} & set(found[0])
    assert (
        "[1/36] resnet, course, on cifar10, seed 0: validation accuracy .600\n"
        in capsys.readouterr().err
    )
    before = written(tmp_path / "r")
    table.write(["resnet", "mini"], ["cifar10", "traffic"], [0, 1], root, tmp_path / "r")
    assert written(tmp_path / "r") == before


def test_a_net_or_dataset_that_cant_be_had_is_left_out_and_told(root, tmp_path):
    told = table.write(["broken", "mini"], ["flowers"], [0], root, tmp_path)
    (_, _, *lines) = [line for line in told.splitlines() if line.startswith("|")]
    assert {line.split()[1] for line in lines} == {"mini"}
    fault = "`python -m stages.train`: broken has no weights"
    assert f"- broken, course, on flowers, seed 0 and 2 more: {fault}\n" in told
    found = {row["fault"][:20] for row in rows(tmp_path / "table.csv")}
    assert found == {"", "`python -m stages.tr"}
    with pytest.raises(InputError, match=r"^no cell of the table could be had: .* no weights"):
        table.write(["broken"], ["flowers"], [0], root, tmp_path / "none")
    with pytest.raises(InputError, match=r"^unknown dataset 'nowhere'; known: flowers"):
        table.write(["mini"], ["flowers", "nowhere"], [0], root, tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_a_cell_that_fails_beside_others_has_a_dash(tmp_path, monkeypatch):
    monkeypatch.setenv("TRANSFER_MIRROR", "/home/me/mirror")
    (split,) = protocol.splits("flowers")
    part = {"accuracy": 0.6, "accuracy_low": 0.5, "accuracy_high": 0.7, "n": 9}
    outcomes = {}
    for row in protocol.ROWS:
        for seed in (0, 1):
            run = protocol.Run("mini", row, "flowers", split, seed)
            outcomes[run] = cells.Outcome(None, {"validation": part})
    for row, seed in (("course", 0), ("card", 1), ("auto", 0), ("auto", 1)):
        run = protocol.Run("mini", row, "flowers", split, seed)
        outcomes[run] = cells.Outcome(None, None, "/home/me/mirror lacks it")
    told = layout.text(["mini"], ["flowers"], [0, 1], outcomes)
    assert [
        line.split(" | ")[2].rstrip(" |") for line in told.splitlines() if "| mini" in line
    ] == [
        "-; .600 (.600-.600)",
        ".600 (.500-.700); .600 (.600-.600)",
        "-",
    ]
    assert "- mini, course, on flowers, seed 0 and 3 more: $TRANSFER_MIRROR lacks it\n" in told


def test_the_table_depends_on_nothing_that_params_yaml_holds(root):
    split = protocol.splits("cifar10")[0]
    for row in protocol.ROWS:
        given = protocol.Run("resnet", row, "cifar10", split, 0).settings
        assert set(given) == set(params.KEYS) - {"mirror", "strict"}
        for key, value in given.items():
            assert params.KEYS[key][0](value), key


def test_the_default_names_are_here_and_its_head_is_the_default():
    assert set(protocol.NETS) <= set(cards.known(ROOT / cards.CARDS))
    assert set(protocol.DATASETS) <= set(sources.known(ROOT / sources.FOLDER))
    default = params.read("head.kind", "head.folds", "head.strength", path=ROOT / "params.yaml")
    pinned = protocol.COMMON | protocol.ROWS["card"][0]
    assert default == {key: pinned[key] for key in default}
    titles = {split.title for splits in protocol.SPLITS.values() for split in splits}
    assert set(protocol.PUBLISHED) <= titles


@pytest.mark.parametrize(
    ("words", "status", "sentence"),
    [
        (["budget", "-S", "nte=mini"], 1, "error: unknown key of params.yaml 'nte'; known: net, "),
        (["budget", "--budgets", "0"], 2, "must be a whole number from 1; received '0'"),
        (["budget", "--seeds", "x"], 2, "must be a whole number from 0; received 'x'"),
        (["budget", "--part", "all"], 1, "error: unknown part 'all'; known: "),
        (["table", "--nets", "nothing"], 1, "error: unknown net 'nothing'; known: none"),
    ],
)
def test_a_wrong_option_is_one_sentence(tmp_path, words, status, sentence):
    code, out, err = command(*words, cwd=tmp_path)
    assert (code, out) == (status, "")
    assert sentence in err
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


def test_the_projects_own_stages_make_a_budget(tmp_path):
    """In a clone, on tiny images, with the card `mini`."""
    root = cloned(tmp_path / "repo")
    save_pictures(root / "data/datasets/mine", 0)
    before = {p: p.stat().st_mtime_ns for p in root.rglob("*") if p.is_file()}
    given = {"dataset": "mine", "net": "mini", "head.kind": "softmax", "extract.precision": "f32"}
    told = budget.write(given, [2, "all"], [0], "validation", root, tmp_path / "reports")
    assert "| 2              | 6               | " in told
    assert "| all            | 18              | " in told
    (first, last) = rows(tmp_path / "reports/budget.csv")
    assert (first["n"], last["n"], last["fault"]) == ("6", "6", "")
    assert {p: p.stat().st_mtime_ns for p in root.rglob("*") if p.is_file()} == before
    kept = cells.path(root, given | {"split.per_class": "all", "split.seed": 0})
    assert json.loads(kept.read_text())["metrics"]["data"] == "own"
    assert Path(os.environ["TRANSFER_STORE"]) in kept.parents
