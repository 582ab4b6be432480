"""`python -m transfer advise`: trials on held-out training images, and one sentence."""

import json

import pytest

from tests.imports import ROOT
from transfer.errors import InputError
from transfer.grids import advice, cells


def outcome(accuracy, seconds=9.0, n=1000, fault=""):
    metrics = {"head": {"fold_accuracy": accuracy}, "n_train": n}
    if accuracy is None:
        metrics["head"] = {}
    cell = cells.Cell("cell", {})
    return cells.Outcome(cell, None if fault else metrics, fault, seconds)


@pytest.fixture
def found():
    return advice.trials({"net": "mini", "dataset": "sample", "split.per_class": 100}, ROOT)


def test_the_trials(found):
    assert [t.is_tuned for t in found] == [False] * 4 + [True]
    assert {t.settings["split.per_class"] for t in found} == {advice.PART}
    assert {t.size for t in found} == {86, 144}
    assert {t.settings.get("extract.layers") for t in found[:4]} == {"card", "auto"}
    assert found[4].settings["extract.cut"] == "block1"
    given = {"net": "mini", "extract.cut": "block3", "split.per_class": 9}
    assert advice.trials(given, ROOT)[4].settings["extract.cut"] == "block3"
    assert advice.trials(given, ROOT)[0].settings["split.per_class"] == 9


def test_a_net_without_cuts_is_told():
    with pytest.raises(InputError, match="unknown net whose card lists cuts 'alexnet'"):
        advice.trials({"net": "alexnet"}, ROOT)


def test_a_clear_gain_is_worth_it(found):
    told = advice.advice(found, [*map(outcome, (0.7, 0.8, 0.75, 0.82)), outcome(0.95)])
    assert told.startswith("Fine-tune: -S extract.cut=block1 -S head.kind=finetune reached .950")
    assert "+13.0 points" in told


@pytest.mark.parametrize("tuned", [0.83, 0.5])
def test_a_gain_within_chance_is_not(found, tuned):
    told = advice.advice(found, [*map(outcome, (0.7, 0.8, 0.75, 0.82)), outcome(tuned)])
    assert told.startswith("Stay with the linear head (the dataset's layers, 144 px), .820")
    assert "less than twice its standard error" in told


def test_what_failed_is_left_out(found):
    failed = outcome(0, fault="no weights")
    told = advice.advice(found, [failed, outcome(0.8), failed, failed, failed])
    assert told.endswith("the network could not be tuned.")
    with pytest.raises(InputError, match="nothing to compare: no weights"):
        advice.advice(found, [failed] * 4 + [outcome(0.9)])


def test_the_table(monkeypatch):
    asked = []

    def run(wanted, root):
        asked.extend(wanted)
        return [outcome(0.5, 3.4), *[outcome(0.6, None)] * 2, outcome(None), outcome(0.9)]

    monkeypatch.setattr(cells, "run", run)
    told = advice.write({"net": "mini", "dataset": "sample"}, ROOT).splitlines()
    assert [line.split("|")[4].strip() for line in told[2:7]] == [
        ".500",
        ".600",
        ".600",
        "-",
        ".900",
    ]
    assert [line.split("|")[5].strip() for line in told[2:7]] == ["3", "-", "-", "9", "9"]
    assert told[-1].startswith("Fine-tune: ")
    assert json.dumps(asked[4].settings, sort_keys=True).count("finetune") == 1
    assert len(asked) == 5
