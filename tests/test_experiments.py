"""The experiments side by side: what is read of DVC's list, and what DVC says where it has none."""

import json
import os
import subprocess
import sys

import pytest

from transfer.errors import InputError
from transfer.reports import experiments

METRICS = {"validation": {"accuracy": 0.5, "accuracy_low": 0.4, "accuracy_high": 0.6, "n": 9}}


def entry(rev, name=None, net="mini", metrics=METRICS, error=None, **more):
    """An entry as `dvc exp show --json` of DVC 3.67 has them."""
    data = {
        "rev": rev,
        "params": {"params.yaml": {"data": {"net": net, "head": {"epochs": 50, "seed": 0}}}},
        "metrics": {"reports/metrics.json": {"data": metrics}},
    }
    return {"rev": rev, "name": name, "data": data, "error": error} | more


def experiment(name, state=None, **more):
    executor = state and {"state": state, "name": "dvc-task", "local": None}
    return {"name": name, "executor": executor, "revs": [entry("0" * 40, name, **more)]}


def listed(*rows):
    commit = entry("abcdef0123", "main", experiments=list(rows))
    return experiments.parsed(json.dumps([entry("workspace"), commit]))


def test_the_workspace_and_the_commit_come_first():
    here, commit, one = listed(experiment("one", net="vgg"))
    assert (here.name, here.state, here.params) == (
        "workspace",
        "workspace",
        {"net": "mini", "head.epochs": 50, "head.seed": 0},
    )
    assert (commit.name, commit.state) == ("main", "commit")
    assert (one.name, one.state, one.metrics) == ("one", "done", METRICS)
    assert experiments.varying([here, commit, one]) == ["net"]
    assert experiments.varying([here, commit]) == experiments.varying([]) == []


@pytest.mark.parametrize("state", ["queued", "running", "failed"])
def test_what_has_not_finished_has_no_metrics(state):
    """DVC lists the metrics of the commit that it began from."""
    *_, row = listed(experiment("one", state, net="vgg"))
    assert (row.state, row.metrics, row.params["net"]) == (state, {}, "vgg")


def test_a_broken_experiment_is_a_failed_one():
    broken = experiment("one", error={"msg": "no such file", "type": "x"})
    broken["revs"][0]["data"] = None
    *_, row = listed(broken, experiment("other", metrics={"test": {"n": 0}}))
    assert (row.name, row.state, row.metrics) == ("other", "done", {})
    row = listed(broken)[-1]
    assert (row.state, row.params, row.metrics) == ("failed", {}, {})
    assert listed(experiment("one", "success"))[-1].state == "done"


@pytest.mark.parametrize("text", ["", "{}[", "[1]", '[{"rev": "x"}]', '{"a": 1}'])
def test_another_form_is_refused(text):
    with pytest.raises(InputError, match="dvc exp show printed what this version does not know"):
        experiments.parsed(text)


def test_outside_of_a_repository_dvc_says_so(tmp_path):
    with pytest.raises(InputError, match=r"dvc exp show can't list experiments: .*not inside of a"):
        experiments.show(tmp_path)


def test_a_repository_without_experiments_has_two_rows(tmp_path):
    author = {
        f"GIT_{who}_{what}": "t@t" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }
    (tmp_path / "params.yaml").write_text("net: mini\n")
    (tmp_path / "dvc.yaml").write_text("params: [params.yaml]\n")
    for words in (
        ("git", "init", "-q"),
        (sys.executable, "-m", "dvc", "init", "-q"),
        ("git", "add", "-A"),
        ("git", "commit", "-qm", "state"),
    ):
        subprocess.run(words, cwd=tmp_path, env=os.environ | author, check=True)
    rows = experiments.show(tmp_path)
    assert [(row.state, row.params, row.metrics) for row in rows] == [
        ("workspace", {"net": "mini"}, {}),
        ("commit", {"net": "mini"}, {}),
    ]
