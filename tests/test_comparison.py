"""Two runs compared: the pairing, the tests beside independent references, and what is said."""

import itertools
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from scipy.stats import binomtest

from tests.command_line import command
from tests.imports import ROOT
from transfer.errors import InputError
from transfer.reports import comparison, predictions, revisions, verdicts


def rows(*images, part="validation", weights="mirror"):
    """Rows of predictions.csv of images given as (id, group, label, predicted)."""
    known = ("0.9", "-0.1", weights)
    values = ((id_, part, group, label, said, *known) for id_, group, label, said in images)
    return list(predictions.named(values))


def pair(both=0, a=0, b=0, neither=0, each=1):
    """Rows of two runs: so many images right in both, in one alone and in neither; `each` images of
    a group are alike."""
    found = ([], [])
    kinds = [(1, 1)] * both + [(1, 0)] * a + [(0, 1)] * b + [(0, 0)] * neither
    for number, kind in enumerate(kinds):
        for k, is_right in enumerate(kind):
            image = (f"i{number:05}", f"g{number // each}", "yes", "yes" if is_right else "no")
            found[k].append(image)
    return [rows(*images) for images in found]


def compared(one, other, part="validation"):
    return comparison.compare("one", "other", one, other, part)[part]


@pytest.mark.parametrize(("a", "b"), [(0, 0), (3, 3), (1, 9), (9, 1), (0, 7), (40, 75), (500, 620)])
def test_p_of_images_is_mcnemars_exact_one(a, b):
    found = compared(*pair(both=50, a=a, b=b, neither=10))
    expected = binomtest(a, a + b, 0.5).pvalue if a + b else 1.0
    assert found.p_images == pytest.approx(expected, rel=1e-6, abs=1e-12)
    assert (found.p, found.p_groups) == (found.p_images, None)
    assert (found.a_only, found.b_only) == (a, b)
    assert found.change[0] == pytest.approx((b - a) / (60 + a + b))


def test_p_of_groups_counts_all_flips_of_signs():
    sums = np.array([3, -1, 2, 0, 5, 1, -2, 4])
    flips = [
        abs(sum(s * flip for s, flip in zip(sums, flips, strict=True))) >= abs(sums.sum())
        for flips in itertools.product((1, -1), repeat=len(sums))
    ]
    assert comparison.sign_flip_p(sums) == pytest.approx(np.mean(flips), abs=1e-12)


def test_frames_of_one_sign_are_one_witness():
    """As many images right in B alone: telling as single ones, nothing as one group's."""
    alone = compared(*pair(both=30, b=10, neither=20))
    grouped = compared(*pair(both=30, b=10, neither=20, each=10))
    assert alone.p == pytest.approx(2 * 0.5**10)
    assert (grouped.p, grouped.n_groups) == (pytest.approx(1), 6)
    assert grouped.p_images == alone.p_images
    assert verdicts.verdict(alone).startswith("B is better: +16.7 points (+")
    assert verdicts.verdict(grouped).startswith("no difference can be told: +16.7 points (")
    said = verdicts.text("x", "y", {"validation": grouped})
    assert "60 images that both have, in 6 groups" in said
    assert "by the sign-flip test of groups, which decides:" in said


def test_the_interval_holds_the_difference_and_mirrors_where_the_runs_are_swapped():
    one, other = pair(both=100, a=20, b=50, neither=30)
    found, swapped = compared(one, other), compared(other, one)
    difference, low, high = found.change
    assert difference == pytest.approx(0.15)
    assert low < difference < high
    # The normal approximation: sd of a change over n images.
    sd = np.sqrt((70 / 200 - 0.15**2) / 200)
    assert (low, high) == pytest.approx((0.15 - 1.96 * sd, 0.15 + 1.96 * sd), abs=0.01)
    assert swapped.change == pytest.approx((-difference, -high, -low), abs=0.01)
    assert swapped.a == found.b
    assert verdicts.verdict(swapped).startswith("A is better: +15.0 points (+")


def test_where_all_groups_changed_alike_there_is_no_interval():
    found = compared(*pair(b=4, each=4))
    assert found.change == (1.0, None, None)
    assert "no interval: all groups changed alike" in verdicts.verdict(found)
    same = compared(*pair(both=4, neither=2))
    assert same.change == (0.0, 0.0, 0.0)
    assert "both are right and wrong on the same images" in verdicts.verdict(same)


def test_images_are_paired_by_id_and_those_of_one_run_are_counted():
    one = rows(("b", "g", "x", "x"), ("a", "h", "x", "y"), ("c", "i", "y", "y"))
    other = rows(("d", "j", "x", "x"), ("a", "h", "x", "x"), ("e", "k", "y", "y"))
    other += rows(("b", "g", "x", "y"), part="test")
    found = compared(one, other)
    assert (found.n, found.only_in_a, found.only_in_b) == (1, 2, 2)
    assert (found.a[0], found.b[0]) == (0, 1)
    said = verdicts.text("one", "other", {"validation": found})
    assert "left out: 2 images that only A has, 2 only B" in said
    assert "warning: both have 33% of the images alone" in said


def test_classes_that_moved_come_with_the_largest_change_first():
    truth = [f"c{n % 14:02}" for n in range(140)]
    one = rows(*((f"{n}", f"{n}", label, label) for n, label in enumerate(truth)))
    wrong = [int(label[1:]) * 10 > n for n, label in enumerate(truth)]
    other = rows(
        *(
            (f"{n}", f"{n}", label, "-" if is_wrong else label)
            for n, (label, is_wrong) in enumerate(zip(truth, wrong, strict=True))
        )
    )
    found = compared(one, other)
    assert found.moved == sorted(found.moved, key=lambda m: (m.b - m.a, m.name))
    assert found.moved[0].name == "c13"
    assert "c00" not in {m.name for m in found.moved}
    said = verdicts.text("one", "other", {"validation": found})
    assert f"recall by class, the 10 largest of {len(found.moved)} changes:" in said
    assert said.count(" points (") == 10 + 2  # and the difference, twice
    whole = json.loads(verdicts.as_json("one", "other", {"validation": found}))
    assert len(whole["validation"]["moved"]) == len(found.moved)
    assert whole["validation"]["p"] == found.p


def test_the_coarser_groups_hold_where_the_runs_grouped_otherwise():
    one, other = pair(both=6, b=6)
    for number, row in enumerate(other):
        row["group"] = f"track{number // 6}"
    assert compared(one, other).n_groups == compared(other, one).n_groups == 2


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        (
            rows(("z", "g", "x", "x")),
            r"^no validation image is both in one \(1 images\) and in oth",
        ),
        (rows(("a", "g", "y", "x")), r"^the validation image a is x in one and y in other: "),
        (
            rows(*2 * [("a", "g", "x", "x")]),
            r"^other has 1 validation rows whose id stands in anot",
        ),
    ],
)
def test_what_cant_be_paired_is_refused(other, sentence):
    with pytest.raises(InputError, match=sentence):
        compared(rows(("a", "g", "x", "x")), other)


def test_parts_are_those_that_both_have():
    one, other = pair(both=3)
    test = rows(("t", "g", "x", "x"), part="test")
    both = comparison.compare("one", "other", one + test, other + test)
    assert list(both) == ["validation", "test"]
    assert list(comparison.compare("one", "other", one + test, other)) == ["validation"]
    with pytest.raises(InputError, match=r"no part in common: one has validation, other has test"):
        comparison.compare("one", "other", one, test)
    with pytest.raises(InputError, match=r"unknown part 'tset'; known: test"):
        comparison.compare("one", "other", one, other, "tset")


def test_p_is_printed_short():
    assert [verdicts._chance(p) for p in (1.0, 0.0432, 0.00044, 0.00001)] == [
        "= 1.000",
        "= .043",
        "= .0004",
        "< .0001",
    ]


RUNS = ("weak", "strong")


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """A repository with DVC of which `good` and `bad` are branches, predictions in the cache;
    `before` had none, `older` another form, `lost` is not in the cache."""
    folder = tmp_path_factory.mktemp("compared")
    author = {
        f"GIT_{who}_{what}": "t@t" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }

    def call(*words):
        subprocess.run(words, cwd=folder, env=os.environ | author, check=True, capture_output=True)

    def committed(name, text):
        (folder / revisions.PATH).write_text(text)
        call(sys.executable, "-m", "dvc", "add", "-q", revisions.PATH)
        call("git", "add", "-A")
        call("git", "commit", "-qm", name)
        call("git", "branch", name)

    call("git", "init", "-q")
    call(sys.executable, "-m", "dvc", "init", "-q")
    (folder / "reports").mkdir()
    call("git", "add", "-A")
    call("git", "commit", "-qm", "before")
    call("git", "branch", "before")
    bad, good = pair(both=20, b=12, neither=5)
    for name, those in (("bad", bad), ("good", good)):
        predictions.write(folder / "table.csv", (row.values() for row in those))
        committed(name, (folder / "table.csv").read_text())
    committed("older", "id,split,label\na,test,b\n")
    committed("lost", "gone")
    (cached,) = (
        path
        for path in (folder / ".dvc/cache").rglob("*")
        if path.is_file() and path.read_text() == "gone"
    )
    cached.unlink()
    predictions.write(folder / revisions.PATH, (row.values() for row in good))
    return folder


def test_revisions_and_the_workspace_are_compared(repository):
    code, out, err = command("compare", "bad", "good", cwd=repository)
    assert (code, err) == (0, "")
    assert "B is better: +32.4 points (" in out
    code, out, _ = command("compare", "good", "workspace", "--part", "validation", cwd=repository)
    assert code == 0
    assert "both are right and wrong on the same images" in out
    code, out, _ = command("compare", "bad", "good", "--json", cwd=repository)
    assert json.loads(out)["validation"]["b_only"] == 12


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("goood", "error: unknown run (experiment, git revision or workspace) 'goood'; known: "),
        ("before", "error: reports/predictions.csv of before can't be had ("),
        ("older", "error: reports/predictions.csv of older has the columns id, split, label; exp"),
        ("lost", "error: reports/predictions.csv of lost can't be had ("),
    ],
)
def test_a_run_without_predictions_is_one_sentence(repository, name, sentence):
    code, out, err = command("compare", "good", name, cwd=repository)
    assert (code, out) == (1, "")
    assert err.startswith(sentence)
    assert err.count("\n") == 1


def test_an_experiment_that_failed_is_told(repository, monkeypatch):
    rows = [revisions.experiments.Experiment("shaky", "failed", {}, {})]
    monkeypatch.setattr(revisions.experiments, "show", lambda root: rows)
    with pytest.raises(InputError, match=r"^the experiment shaky failed: it has no predictions"):
        revisions.read("shaky", repository)


def test_experiments_are_compared_by_name(tmp_path):
    author = {
        f"GIT_{who}_{what}": "t@t" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }
    dvc = (sys.executable, "-m", "dvc")
    (tmp_path / "params.yaml").write_text("run: none\n")
    (tmp_path / "dvc.yaml").write_text(
        "stages: {all: {cmd: 'cp ${run}.csv reports/predictions.csv', params: [run], "
        "outs: [reports/predictions.csv]}}\n"
    )
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports/.gitignore").write_text("/predictions.csv\n")
    for name, those in zip(RUNS, pair(both=20, b=12, neither=5), strict=True):
        predictions.write(tmp_path / f"{name}.csv", (row.values() for row in those))
    for words in (
        ("git", "init", "-q"),
        (*dvc, "init", "-q"),
        ("git", "add", "-A"),
        ("git", "commit", "-qm", "state"),
        *((*dvc, "exp", "run", "-n", name, "-S", f"run={name}") for name in RUNS),
    ):
        run = subprocess.run(
            words, cwd=tmp_path, env=os.environ | author, capture_output=True, check=False
        )
        assert run.returncode == 0, run.stdout + run.stderr
    code, out, err = command("compare", *RUNS, cwd=tmp_path)
    assert (code, err) == (0, "")
    assert out.startswith("A is weak, B is strong\n")
    assert "B is better: +32.4 points (" in out
    code, _, err = command("compare", "weak", "stron", cwd=tmp_path)
    assert code == 1
    assert "'stron'; known: strong, " in err


def test_outside_of_a_repository_it_says_so(tmp_path):
    code, _, err = command("compare", "one", "other", cwd=tmp_path)
    assert code == 1
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    code, _, err = command("compare", "workspace", "workspace", cwd=tmp_path)
    assert err == "error: reports/predictions.csv is not here; run `dvc repro`\n"
    assert ROOT not in tmp_path.parents
