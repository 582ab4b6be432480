"""`python -m transfer advise`: trials on held-out training images, and one sentence."""

import json

import pytest

from tests.imports import ROOT
from transfer.errors import InputError
from transfer.grids import advice, cells


def outcome(accuracy, seconds=9.0, held_out=100, fault=""):
    about = {"held_out": 5 * held_out, "held_out_trials": held_out, "folds": 10}
    metrics = {"head": {"fold_accuracy": accuracy} | about}
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
    with pytest.raises(InputError, match="alexnet can't be fine-tuned: its card lists no cut"):
        advice.trials({"net": "alexnet"}, ROOT)


@pytest.mark.parametrize(
    ("upto", "sentence"),
    [
        ("nosuch", "unknown layer of mini 'nosuch'"),
        ("block1", "between block1 and block1 of mini there is nothing to train"),
    ],
)
def test_a_layer_that_can_t_be_tuned_is_told_at_once(upto, sentence):
    with pytest.raises(InputError, match=sentence):
        advice.trials({"net": "mini", "head.upto": upto}, ROOT)


def test_layers_that_nothing_recommends_are_tried_once():
    found = advice.trials({"net": "mini", "dataset": "sample", "extract.layers": "card"}, ROOT)
    assert [t.is_tuned for t in found] == [False] * 2 + [True]


LINEAR = [outcome(accuracy) for accuracy in (0.7, 0.8, 0.75, 0.82)]


def test_a_clear_gain_is_worth_it(found):
    told = advice.advice(found, [*LINEAR, outcome(0.95)])
    assert told == (
        "Fine-tune: -S extract.cut=block1 -S head.kind=finetune; fine-tuning reached .950 "
        "(.888-.978) on 500 held-out images, +13.0 points over the best linear head."
    )


@pytest.mark.parametrize(("tuned", "end"), [(0.84, ", which on so few may be chance."), (0.5, ".")])
def test_a_gain_within_chance_is_not(found, tuned, end):
    told = advice.advice(found, [*LINEAR, outcome(tuned)])
    words = "-S extract.size=144 -S extract.layers=auto -S head.kind=auto"
    assert told.startswith(f"Stay with the linear head, .820: {words}; fine-tuning reached ")
    assert told.endswith(f"{100 * (tuned - 0.82):+.1f} points{end}")


@pytest.mark.parametrize(("held_out", "is_clear"), [(60, False), (200, True), (2, False)])
def test_all_right_on_few_images_tells_little(held_out, is_clear):
    assert advice.is_clear(outcome(1.0, held_out=held_out), outcome(0.967)) == is_clear


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
    assert told[-2] == "At most 50 training images a class; each is judged on some it has not seen."
    assert json.dumps(asked[4].settings, sort_keys=True).count("finetune") == 1
    assert len(asked) == 5
